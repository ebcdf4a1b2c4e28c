resource "google_project_service" "api" {
  for_each = var.apis

  project            = var.project
  service            = each.value
  disable_on_destroy = false # others may use it
}
