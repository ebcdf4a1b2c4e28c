"""Docker repositories: the OCI distribution API, and images as Artifact Registry shows them."""
