# Everything by default: what `gcpmlops init` makes, and two alerts.

variable "project" {
  description = "Project id."
  type        = string
}

provider "google" {
  project = var.project
}

module "gcpmlops" {
  source = "../.."

  project = var.project
}

output "service_accounts" {
  description = "Email by account."
  value       = module.gcpmlops.service_accounts
}
