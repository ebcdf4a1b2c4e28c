output "url" {
  description = "Where it is called."
  value       = google_cloudfunctions2_function.function.service_config[0].uri
}

output "name" {
  description = "Full name."
  value       = google_cloudfunctions2_function.function.id
}
