resource "google_bigquery_dataset" "dataset" {
  # checkov:skip=CKV_GCP_81: with Google's own keys unless kms_key names one
  for_each = var.datasets

  project                    = var.project
  dataset_id                 = each.value
  location                   = var.location
  labels                     = var.labels
  delete_contents_on_destroy = var.delete_contents

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key == null ? [] : [var.kms_key]

    content {
      kms_key_name = default_encryption_configuration.value
    }
  }
}

resource "google_bigquery_dataset_iam_member" "grant" {
  for_each = {
    for pair in setproduct(var.datasets, var.grants) : "${pair[0]} ${pair[1].role} ${pair[1].member}" => {
      dataset = pair[0]
      role    = pair[1].role
      member  = pair[1].member
    }
  }

  project    = var.project
  dataset_id = google_bigquery_dataset.dataset[each.value.dataset].dataset_id
  role       = each.value.role
  member     = each.value.member
}
