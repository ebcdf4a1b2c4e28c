output "apis" {
  description = "What is enabled."
  value       = [for api in google_project_service.api : api.service]
}
