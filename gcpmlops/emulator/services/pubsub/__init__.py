"""google.pubsub.v1: messages once a topic, deliveries per subscription, push by real HTTP calls."""
