"""Cloud Build: builds that run on this machine, and the triggers that start them."""
