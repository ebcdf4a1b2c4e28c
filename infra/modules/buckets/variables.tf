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

variable "grants" {
  description = "Roles and the members that get them."
  type        = list(object({ role = string, member = string }))
  default     = []
}

variable "buckets" {
  description = "Names of the buckets."
  type        = set(string)
}

variable "force_destroy" {
  description = "Whether destroy removes buckets that have objects."
  type        = bool
  default     = false
}

variable "kms_key" {
  description = "Key of Cloud KMS for new objects; null: Google's own."
  type        = string
  default     = null
}

variable "log_bucket" {
  description = "Bucket that gets usage logs; null: Cloud Audit Logs are all there is."
  type        = string
  default     = null
}

variable "noncurrent_days" {
  description = "Days after which replaced and deleted objects are gone for good."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "At least one day."
  }
}
