"""Experiments: runs, parameters, metrics, time series, artifacts."""
