variable "project" {
  description = "Project id."
  type        = string
}

variable "name" {
  description = "Id of the workload identity pool."
  type        = string
}

variable "service_account" {
  description = "Full name of the account that pipelines act as."
  type        = string
}

variable "github_repository" {
  description = "OWNER/NAME at GitHub; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github_repository))
    error_message = "OWNER/NAME, one repository: a wildcard would let anybody in."
  }
}

variable "gitlab_project" {
  description = "GROUP/PROJECT at GitLab; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.gitlab_project == null || can(regex("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$", var.gitlab_project))
    error_message = "GROUP/PROJECT, one project: a wildcard would let anybody in."
  }
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

  validation {
    condition     = can(regex("^[A-Za-z0-9_./-]+$", var.branch))
    error_message = "A branch's name."
  }
}
