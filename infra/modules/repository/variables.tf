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

variable "repository" {
  description = "Id of the Docker repository."
  type        = string
}

variable "kms_key" {
  description = "Key of Cloud KMS for its contents; null: Google's own."
  type        = string
  default     = null
}
