"""The private parts of `gcpmlops.monitoring`."""
