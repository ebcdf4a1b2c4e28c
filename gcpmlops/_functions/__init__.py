"""The parts of `functions`."""
