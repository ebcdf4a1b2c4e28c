output "project_number" {
  description = "The project's number, which its service agents are named by."
  value       = data.google_project.project.number
}

output "service_accounts" {
  description = "Email by account."
  value       = module.identities.emails
}

output "buckets" {
  description = "URI by name."
  value       = module.buckets.buckets
}

output "datasets" {
  description = "Full name by id."
  value       = module.datasets.datasets
}

output "repository" {
  description = "Where images are pushed to; null without deliveries."
  value       = one([for repository in module.repository : repository.url])
}

output "function_url" {
  description = "Where retraining is called; null where Terraform does not deploy it."
  value       = one([for function in module.function : function.url])
}

output "identity_providers" {
  description = "GCPMLOPS_WORKLOAD_IDENTITY_PROVIDER by platform."
  value       = merge([for federation in module.federation : federation.providers]...)
}
