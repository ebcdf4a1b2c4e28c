"""Ratios, side by side in one run: gcpmlops against the peer named for each line. See README.md."""
