output "policies" {
  description = "Full names of the alert policies."
  value       = [google_monitoring_alert_policy.errors.name, google_monitoring_alert_policy.latency.name]
}

output "channels" {
  description = "Full names of the notification channels."
  value       = local.channels
}
