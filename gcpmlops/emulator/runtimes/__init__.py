"""What really runs: supervised processes, environments, training jobs, model servers. Knows no service and no state."""
