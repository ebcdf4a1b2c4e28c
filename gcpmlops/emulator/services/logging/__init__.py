"""Cloud Logging: entries in a table of their own, written by clients and by the emulator's runtimes."""
