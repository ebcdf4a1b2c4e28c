output "url" {
  description = "Where images are pushed to: HOST/PROJECT/REPOSITORY."
  value       = "${var.location}-docker.pkg.dev/${replace(var.project, ":", "/")}/${google_artifact_registry_repository.repository.repository_id}"
}
