output "providers" {
  description = "GCPMLOPS_WORKLOAD_IDENTITY_PROVIDER by platform."
  value = merge(
    { for provider in google_iam_workload_identity_pool_provider.github : "github" => provider.name },
    { for provider in google_iam_workload_identity_pool_provider.gitlab : "gitlab" => provider.name },
  )
}
