"""The parts of `gcpmlops.drift`."""
