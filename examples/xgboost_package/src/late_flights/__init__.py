"""Learns which flights will be late."""
