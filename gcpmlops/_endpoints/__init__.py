"""Parts of `endpoints`: registry, predictions, rollouts, prices."""
