output "jobs" {
  description = "Full name by job id."
  value       = { for id, job in google_cloud_scheduler_job.job : id => job.id }
}
