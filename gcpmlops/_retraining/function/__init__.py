"""The source of the function that retrains; it is copied, and imported nowhere else."""
