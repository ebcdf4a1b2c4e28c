"""Parts of `storage`."""
