"""Vertex AI JobService, shared out over one class for each kind of job, and the queue of process slots behind them."""
