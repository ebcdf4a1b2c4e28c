"""Vertex AI Model Monitoring, version 1: the predictions of endpoints against training data, and against before."""
