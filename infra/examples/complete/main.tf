# Everything: a function that is called every month, alerts by mail, deliveries from GitHub without keys.

variable "project" {
  description = "Project id."
  type        = string
}

variable "location" {
  description = "Region."
  type        = string
  default     = "europe-west4"
}

provider "google" {
  project = var.project
  region  = var.location
}

module "gcpmlops" {
  source = "../.."

  project    = var.project
  location   = var.location
  name       = "flights"
  buckets    = ["${var.project}-reports"]
  datasets   = ["weather"]
  developers = ["group:ml@example.com"]

  function_source = "${path.module}/function.zip" # python -m gcpmlops._retraining.source function.zip
  schedules = {
    monthly = {
      schedule  = "0 6 1 * *"
      time_zone = "America/New_York"
      body      = jsonencode({ retraining = "flights", trigger = "0" })
    }
  }

  alert_email       = "ml@example.com"
  github_repository = "example/flights"
  branch            = "main"
}

output "identity_providers" {
  description = "For the variable GCPMLOPS_WORKLOAD_IDENTITY_PROVIDER of the repository."
  value       = module.gcpmlops.identity_providers
}
