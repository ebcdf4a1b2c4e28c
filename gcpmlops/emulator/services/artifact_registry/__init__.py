"""Artifact Registry: repositories and what is in them, and the hosts that pip, twine, Docker and uploads talk to."""
