locals {
  online   = "aiplatform.googleapis.com/prediction/online"
  endpoint = "resource.type = \"aiplatform.googleapis.com/Endpoint\""
  channels = [for channel in google_monitoring_notification_channel.email : channel.id]
}

resource "google_monitoring_notification_channel" "email" {
  count = var.email == null ? 0 : 1

  project      = var.project
  display_name = "gcpmlops ${var.email}"
  type         = "email"
  labels       = { email_address = var.email }
  user_labels  = var.labels
}

resource "google_monitoring_alert_policy" "errors" {
  project               = var.project
  display_name          = "Endpoints: predictions fail"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "More than ${var.error_ratio * 100} % of the predictions fail"

    condition_threshold {
      filter             = "metric.type = \"${local.online}/response_count\" AND ${local.endpoint} AND metric.labels.response_code = monitoring.regex.full_match(\"[45]..\")"
      denominator_filter = "metric.type = \"${local.online}/response_count\" AND ${local.endpoint}"
      comparison         = "COMPARISON_GT"
      threshold_value    = var.error_ratio
      duration           = "300s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.labels.endpoint_id"]
      }

      denominator_aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.labels.endpoint_id"]
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Look at the endpoint's log (`gcpmlops endpoints logs ENDPOINT`). A new version? Roll it back (`gcpmlops endpoints rollback ENDPOINT`)."
  }

  alert_strategy {
    auto_close = "604800s"
  }
}

resource "google_monitoring_alert_policy" "latency" {
  project               = var.project
  display_name          = "Endpoints: predictions are slow"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "95th percentile above ${var.latency_ms} ms"

    condition_threshold {
      filter          = "metric.type = \"${local.online}/prediction_latencies\" AND ${local.endpoint} AND metric.labels.latency_type = \"total\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.latency_ms
      duration        = "300s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_PERCENTILE_95"
        group_by_fields      = ["resource.labels.endpoint_id"]
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "More replicas, a larger machine, or a smaller model; after a deployment, roll it back."
  }

  alert_strategy {
    auto_close = "604800s"
  }
}
