"""Batch prediction jobs of Vertex AI."""
