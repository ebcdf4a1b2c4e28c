locals {
  wanted = { github = var.github_repository, gitlab = var.gitlab_project }
  given  = { for platform, repository in local.wanted : platform => repository if repository != null }
  attribute = {
    github = "attribute.repository"
    gitlab = "attribute.project_path"
  }
}

resource "google_iam_workload_identity_pool" "pool" {
  project                   = var.project
  workload_identity_pool_id = var.name
  display_name              = "Delivery pipelines" # up to 32 characters
  description               = "Pipelines that deliver without keys (${var.name})"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  # checkov:skip=CKV_GCP_125: the condition names one repository and one branch; the check cannot see through variables
  count = var.github_repository == null ? 0 : 1

  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_condition                = "assertion.repository == '${var.github_repository}' && assertion.ref == 'refs/heads/${var.branch}'"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_iam_workload_identity_pool_provider" "gitlab" {
  count = var.gitlab_project == null ? 0 : 1

  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "gitlab"
  attribute_condition                = "assertion.project_path == '${var.gitlab_project}' && assertion.ref_type == 'branch' && assertion.ref == '${var.branch}'"

  attribute_mapping = {
    "google.subject"         = "assertion.sub"
    "attribute.project_path" = "assertion.project_path"
  }

  oidc {
    issuer_uri = var.gitlab_url
  }
}

resource "google_service_account_iam_member" "pipeline" {
  for_each = local.given

  service_account_id = var.service_account
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.pool.name}/${local.attribute[each.key]}/${each.value}"
}
