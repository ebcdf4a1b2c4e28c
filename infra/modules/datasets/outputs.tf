output "datasets" {
  description = "Full name by id."
  value       = { for id, dataset in google_bigquery_dataset.dataset : id => dataset.id }
}
