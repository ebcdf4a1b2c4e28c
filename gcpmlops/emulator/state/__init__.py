"""Durable state: one SQLite database and a directory of blobs."""
