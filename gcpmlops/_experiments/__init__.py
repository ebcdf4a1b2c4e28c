"""Parts of `experiments`."""
