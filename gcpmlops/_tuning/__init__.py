"""Parts of `tuning`."""
