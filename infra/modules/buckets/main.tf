resource "google_storage_bucket" "bucket" {
  # checkov:skip=CKV_GCP_62: usage logs go where log_bucket says; access is in Cloud Audit Logs without it
  for_each = var.buckets

  project                     = var.project
  name                        = each.value
  location                    = var.location
  labels                      = var.labels
  force_destroy               = var.force_destroy
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.noncurrent_days
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [var.kms_key]

    content {
      default_kms_key_name = encryption.value
    }
  }

  dynamic "logging" {
    for_each = var.log_bucket == null ? [] : [var.log_bucket]

    content {
      log_bucket = logging.value
    }
  }
}

resource "google_storage_bucket_iam_member" "grant" {
  for_each = {
    for pair in setproduct(var.buckets, var.grants) : "${pair[0]} ${pair[1].role} ${pair[1].member}" => {
      bucket = pair[0]
      role   = pair[1].role
      member = pair[1].member
    }
  }

  bucket = google_storage_bucket.bucket[each.value.bucket].name
  role   = each.value.role
  member = each.value.member
}
