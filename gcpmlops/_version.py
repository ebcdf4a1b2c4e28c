"""The version, as a constant: reading it from the installed metadata would cost 40 ms at every start."""

__version__ = "0.1.0"
