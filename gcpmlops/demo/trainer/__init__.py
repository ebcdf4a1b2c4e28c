"""The training job's own package: it runs on Vertex AI, and imports nothing from gcpmlops."""
