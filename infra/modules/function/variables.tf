variable "project" {
  description = "Project id."
  type        = string
}

variable "location" {
  description = "Region."
  type        = string
}

variable "labels" {
  description = "Labels of all that has labels."
  type        = map(string)
}

variable "name" {
  description = "Id of the function."
  type        = string
  default     = "gcpmlops-retraining"
}

variable "source_archive" {
  description = "Path of the zip file with the function's source, by `python -m gcpmlops._retraining.source FILE.zip`."
  type        = string
}

variable "source_bucket" {
  description = "Bucket that keeps it."
  type        = string
}

variable "service_account" {
  description = "Email of the account that it runs as."
  type        = string
}

variable "runtime" {
  description = "Runtime of the function."
  type        = string
  default     = "python311"
}

variable "entry_point" {
  description = "Function in main.py that answers requests."
  type        = string
  default     = "retrain"
}

variable "memory" {
  description = "Memory of an instance, such as 2Gi."
  type        = string
  default     = "2Gi"
}

variable "timeout_seconds" {
  description = "How long a request may take."
  type        = number
  default     = 3600

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 3600
    error_message = "1 to 3600 seconds."
  }
}

variable "environment" {
  description = "Environment variables; no secrets."
  type        = map(string)
  default     = {}
}

variable "ingress" {
  description = "Where requests may come from. Cloud Scheduler of the same project is internal."
  type        = string
  default     = "ALLOW_INTERNAL_ONLY"

  validation {
    condition     = contains(["ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB", "ALLOW_ALL"], var.ingress)
    error_message = "ALLOW_INTERNAL_ONLY, ALLOW_INTERNAL_AND_GCLB or ALLOW_ALL."
  }
}
