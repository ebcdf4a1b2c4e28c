"""What is built: every method of every service served, from the contract and the code."""

from __future__ import annotations
