"""What `gcpmlops init` makes, as data (blueprint), and how each part is read, made and removed."""
