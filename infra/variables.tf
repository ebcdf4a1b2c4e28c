variable "project" {
  description = "Project id."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, a letter first, no hyphen last."
  }
}

variable "location" {
  description = "Region of buckets, datasets and the repository."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.location))
    error_message = "A location is a region, such as us-central1."
  }
}

variable "name" {
  description = "Begins the service accounts' names and stands in the labels."
  type        = string
  default     = "ml"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}[a-z0-9]$", var.name))
    error_message = "A name has 2 to 17 lower-case letters, digits and hyphens, a letter first, no hyphen last."
  }
}

variable "actions" {
  description = "What is planned: data, train, serve, retrain, alert, deliver. Roles that none of them needs are not given."
  type        = set(string)
  default     = ["data", "train", "serve", "retrain", "alert", "deliver"]

  validation {
    condition     = length(setsubtract(var.actions, ["data", "train", "serve", "retrain", "alert", "deliver"])) == 0
    error_message = "Actions are data, train, serve, retrain, alert, deliver."
  }
}

variable "buckets" {
  description = "Buckets beside PROJECT-NAME-data and the staging bucket."
  type        = list(string)
  default     = []
}

variable "staging_bucket" {
  description = "Name of the staging bucket; null: PROJECT-vertex-staging-LOCATION."
  type        = string
  default     = null
}

variable "datasets" {
  description = "Ids of datasets beside NAME."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for dataset in var.datasets : can(regex("^[A-Za-z0-9_]{1,1000}$", dataset))])
    error_message = "A dataset's id has letters, digits and underscores: no project."
  }
}

variable "developers" {
  description = "Members who may act as the delivery account: user:EMAIL, group:EMAIL."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.developers : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", member))])
    error_message = "A developer is user:EMAIL, group:EMAIL or serviceAccount:EMAIL."
  }
}

variable "force_destroy" {
  description = "Whether destroy removes buckets and datasets with what is in them."
  type        = bool
  default     = false
}

variable "kms_key" {
  description = "Key of Cloud KMS for buckets, datasets and the repository; null: Google's own keys."
  type        = string
  default     = null
}

variable "function_source" {
  description = "Path of the retraining function's source, by `python -m gcpmlops._retraining.source FILE.zip`; null: `gcpmlops retraining apply` deploys it."
  type        = string
  default     = null
}

variable "function_environment" {
  description = "Environment variables of the retraining function beside project, location, staging bucket and accounts; no secrets."
  type        = map(string)
  default     = {}
}

variable "schedules" {
  description = "Calls of the function, by job id: cron schedule, time zone, JSON body: {retraining: NAME, trigger: INDEX}. Need function_source."
  type        = map(object({ schedule = string, time_zone = optional(string, "Etc/UTC"), body = string }))
  default     = {}
}

variable "alert_email" {
  description = "Address that is told of incidents; null: nobody."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "OWNER/NAME whose workflows deliver, without keys; null: none."
  type        = string
  default     = null
}

variable "gitlab_project" {
  description = "GROUP/PROJECT whose pipelines deliver, without keys; null: none."
  type        = string
  default     = null
}

variable "gitlab_url" {
  description = "GitLab's own address."
  type        = string
  default     = "https://gitlab.com"
}

variable "branch" {
  description = "The one branch whose pipelines may deliver."
  type        = string
  default     = "main"
}
