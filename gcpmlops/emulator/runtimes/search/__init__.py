"""Hyperparameter search: spaces, suggestions, early stopping. Pure numerics; knows of no service."""
