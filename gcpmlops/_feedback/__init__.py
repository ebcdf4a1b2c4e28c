"""The private parts of `gcpmlops.feedback`."""
