variable "project" {
  description = "Project id."
  type        = string
}

variable "labels" {
  description = "Labels of all that has labels."
  type        = map(string)
}

variable "email" {
  description = "Address that is told; null: nobody, incidents are in the console only."
  type        = string
  default     = null
}

variable "error_ratio" {
  description = "Share of failed predictions of an endpoint above which there is an incident."
  type        = number
  default     = 0.05

  validation {
    condition     = var.error_ratio > 0 && var.error_ratio < 1
    error_message = "Between 0 and 1."
  }
}

variable "latency_ms" {
  description = "95th percentile of an endpoint's latency, in milliseconds, above which there is an incident."
  type        = number
  default     = 1000
}
