"""The emulated services, one file per proto service (Cloud Storage and BigQuery are folders)."""
