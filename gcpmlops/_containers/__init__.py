"""Dockerfiles, the serving program and Kubernetes manifests, as text."""
