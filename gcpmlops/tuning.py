"""Hyperparameter tuning jobs of Vertex AI."""
