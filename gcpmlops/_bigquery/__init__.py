"""Parts of `bigquery`."""
