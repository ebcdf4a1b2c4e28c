"""Parts of `models`."""
