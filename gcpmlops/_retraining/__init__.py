"""What `client.retraining` is made of."""
