variable "project" {
  description = "Project id."
  type        = string
}

variable "accounts" {
  description = "By account: id, title and description."
  type        = map(object({ id = string, title = string, description = string }))
}

variable "project_grants" {
  description = "Roles on the project."
  type        = list(object({ role = string, member = string }))
  default     = []
}

variable "account_grants" {
  description = "Roles on a service account: on is its key in accounts."
  type        = list(object({ on = string, role = string, member = string }))
  default     = []
}
