"""What `client.logs` is made of."""
