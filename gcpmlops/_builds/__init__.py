"""The parts of `client.builds`."""
