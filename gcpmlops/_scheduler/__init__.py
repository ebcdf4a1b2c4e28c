"""Parts of `gcpmlops.scheduler`."""
