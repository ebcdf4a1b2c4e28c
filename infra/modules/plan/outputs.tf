output "labels" {
  description = "What all that has labels is marked with."
  value       = local.labels
}

output "apis" {
  description = "Hosts of the APIs to enable."
  value       = [for api in local.apis : "${api}.googleapis.com"]
}

output "accounts" {
  description = "Service accounts: id, email, title and description by account."
  value       = local.accounts
}

output "buckets" {
  description = "Names of all buckets."
  value       = local.buckets
}

output "staging_bucket" {
  description = "Name of the staging bucket, which is one of them."
  value       = local.staging
}

output "datasets" {
  description = "Ids of all datasets."
  value       = local.datasets
}

output "repository" {
  description = "Id of the Docker repository; null where nothing is delivered."
  value       = local.repository
}

output "grants" {
  description = "Who (account, member) has which role on what: project, buckets, datasets, repository, or an account to act as."
  value       = local.grants
}

output "developers" {
  description = "Members who may act as the delivery account."
  value       = var.developers
}
