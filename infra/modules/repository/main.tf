resource "google_artifact_registry_repository" "repository" {
  # checkov:skip=CKV_GCP_84: with Google's own keys unless kms_key names one
  project       = var.project
  location      = var.location
  repository_id = var.repository
  format        = "DOCKER"
  description   = "Images of training and serving"
  labels        = var.labels
  kms_key_name  = var.kms_key
}

resource "google_artifact_registry_repository_iam_member" "grant" {
  for_each = { for grant in var.grants : "${grant.role} ${grant.member}" => grant }

  project    = var.project
  location   = var.location
  repository = google_artifact_registry_repository.repository.name
  role       = each.value.role
  member     = each.value.member
}
