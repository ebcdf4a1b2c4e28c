resource "google_storage_bucket_object" "source" {
  bucket = var.source_bucket
  name   = "gcpmlops/functions/${var.name}-${filemd5(var.source_archive)}.zip" # new source, new name: it is deployed anew
  source = var.source_archive
}

resource "google_cloudfunctions2_function" "function" {
  project  = var.project
  location = var.location
  name     = var.name
  labels   = var.labels

  build_config {
    runtime     = var.runtime
    entry_point = var.entry_point

    source {
      storage_source {
        bucket = google_storage_bucket_object.source.bucket
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email            = var.service_account
    available_memory                 = var.memory
    timeout_seconds                  = var.timeout_seconds
    max_instance_count               = 1
    max_instance_request_concurrency = 1
    ingress_settings                 = var.ingress
    environment_variables            = var.environment
  }
}
