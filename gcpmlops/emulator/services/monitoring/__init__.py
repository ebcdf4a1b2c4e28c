"""Cloud Monitoring: time series that the emulator's services produce, their descriptors, and queries over them."""
