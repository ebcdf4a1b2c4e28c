"""Parts of `training`, `tuning` and `batch_predictions`: what all jobs have."""
