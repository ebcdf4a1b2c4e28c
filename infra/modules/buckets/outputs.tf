output "buckets" {
  description = "URI (gs://...) by name."
  value       = { for name, bucket in google_storage_bucket.bucket : name => bucket.url }
}
