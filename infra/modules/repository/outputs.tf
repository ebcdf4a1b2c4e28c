output "url" {
  description = "Where images are pushed to."
  value       = "${var.location}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.repository.repository_id}"
}
