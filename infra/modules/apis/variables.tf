variable "project" {
  description = "Project id."
  type        = string
}

variable "apis" {
  description = "Hosts such as aiplatform.googleapis.com."
  type        = set(string)
}
