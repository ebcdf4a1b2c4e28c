"""Vertex AI Vizier, and what hyperparameter tuning jobs share with it: study specs, measurements, early stopping."""
