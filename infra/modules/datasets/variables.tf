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

variable "datasets" {
  description = "Ids of the datasets."
  type        = set(string)
}

variable "delete_contents" {
  description = "Whether destroy removes datasets that have tables."
  type        = bool
  default     = false
}

variable "kms_key" {
  description = "Key of Cloud KMS for new tables; null: Google's own."
  type        = string
  default     = null
}
