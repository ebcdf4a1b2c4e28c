"""Parts of `batch_predictions`."""
