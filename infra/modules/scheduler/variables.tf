variable "project" {
  description = "Project id."
  type        = string
}

variable "location" {
  description = "Region."
  type        = string
}

variable "jobs" {
  description = "By job id: cron schedule, time zone, and the JSON body."
  type        = map(object({ schedule = string, time_zone = optional(string, "Etc/UTC"), body = string }))
  default     = {}
}

variable "url" {
  description = "What the jobs call."
  type        = string

  validation {
    condition     = startswith(var.url, "https://")
    error_message = "Identity tokens go by https only."
  }
}

variable "service_account" {
  description = "Email of the account whose identity token the calls have."
  type        = string
}
