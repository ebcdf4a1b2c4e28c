"""Alerting: policies looked at by the emulator's clock, incidents, notification channels, deliveries, snoozes."""
