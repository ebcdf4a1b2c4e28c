"""The parts of `client.notebooks`."""
