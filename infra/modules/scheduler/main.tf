resource "google_cloud_scheduler_job" "job" {
  for_each = var.jobs

  project          = var.project
  region           = var.location
  name             = each.key
  schedule         = each.value.schedule
  time_zone        = each.value.time_zone
  attempt_deadline = "1800s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
    max_backoff_duration = "600s"
  }

  http_target {
    http_method = "POST"
    uri         = var.url
    body        = base64encode(each.value.body)
    headers     = { "Content-Type" = "application/json" }

    oidc_token {
      service_account_email = var.service_account
      audience              = var.url
    }
  }
}
