"""Where sinks send entries: Pub/Sub topics, Cloud Storage buckets, BigQuery datasets."""
