"""Secret Manager: secrets, their versions and payloads, global and regional; expiry, delayed destruction, notices."""
