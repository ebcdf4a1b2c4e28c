"""Uptime checks: configurations, and the probes that are made of them, all of them from this machine."""
