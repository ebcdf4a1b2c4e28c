# The set-up that `gcpmlops init` makes, with what a team adds to it: function, schedules, alerts, federation.

data "google_project" "project" {
  project_id = var.project
}

module "plan" {
  source = "./modules/plan"

  project        = var.project
  location       = var.location
  name           = var.name
  actions        = var.actions
  buckets        = var.buckets
  staging_bucket = var.staging_bucket
  datasets       = var.datasets
  developers     = var.developers
}

locals {
  grants   = module.plan.grants
  retrains = contains(var.actions, "retrain") && var.function_source != null
  delivers = contains(keys(module.plan.accounts), "delivery")
  tells = {
    GCPMLOPS_SERVICE_ACCOUNT         = "training"
    GCPMLOPS_SERVING_SERVICE_ACCOUNT = "serving"
  }
  pipeline = var.github_repository != null || var.gitlab_project != null
  developer_grants = local.delivers ? [
    for member in module.plan.developers : { on = "delivery", role = "roles/iam.serviceAccountTokenCreator", member = member }
  ] : []
}

module "apis" {
  source = "./modules/apis"

  project = data.google_project.project.project_id
  apis    = module.plan.apis
}

module "identities" {
  source = "./modules/identities"

  project        = var.project
  accounts       = module.plan.accounts
  project_grants = [for grant in local.grants : grant if grant.on == "project"]
  account_grants = concat(
    [for grant in local.grants : { on = grant.on, role = grant.role, member = grant.member } if contains(keys(module.plan.accounts), grant.on)],
    local.developer_grants,
  )

  depends_on = [module.apis]
}

module "buckets" {
  source = "./modules/buckets"

  project       = var.project
  location      = var.location
  labels        = module.plan.labels
  buckets       = module.plan.buckets
  grants        = [for grant in local.grants : grant if grant.on == "buckets"]
  force_destroy = var.force_destroy
  kms_key       = var.kms_key

  depends_on = [module.identities]
}

module "datasets" {
  source = "./modules/datasets"

  project         = var.project
  location        = var.location
  labels          = module.plan.labels
  datasets        = module.plan.datasets
  grants          = [for grant in local.grants : grant if grant.on == "datasets"]
  delete_contents = var.force_destroy
  kms_key         = var.kms_key

  depends_on = [module.identities]
}

module "repository" {
  source = "./modules/repository"
  count  = module.plan.repository == null ? 0 : 1

  project    = var.project
  location   = var.location
  labels     = module.plan.labels
  repository = module.plan.repository
  grants     = [for grant in local.grants : grant if grant.on == "repository"]
  kms_key    = var.kms_key

  depends_on = [module.identities]
}

module "function" {
  source = "./modules/function"
  count  = local.retrains ? 1 : 0

  project         = var.project
  location        = var.location
  labels          = module.plan.labels
  source_archive  = var.function_source
  source_bucket   = module.plan.staging_bucket
  service_account = module.plan.accounts["retraining"].email
  environment = merge(
    {
      GOOGLE_CLOUD_PROJECT    = var.project
      GCPMLOPS_LOCATION       = var.location
      GCPMLOPS_STAGING_BUCKET = module.plan.staging_bucket
    },
    { for variable, account in local.tells : variable => module.plan.accounts[account].email if contains(keys(module.plan.accounts), account) },
    var.function_environment,
  )

  depends_on = [module.buckets]
}

module "scheduler" {
  source = "./modules/scheduler"
  count  = local.retrains ? 1 : 0

  project         = var.project
  location        = var.location
  jobs            = var.schedules
  url             = module.function[0].url
  service_account = module.plan.accounts["scheduler"].email
}

module "alerts" {
  source = "./modules/alerts"
  count  = contains(var.actions, "alert") ? 1 : 0

  project = var.project
  labels  = module.plan.labels
  email   = var.alert_email

  depends_on = [module.apis]
}

module "federation" {
  source = "./modules/federation"
  count  = local.pipeline && local.delivers ? 1 : 0

  project           = var.project
  name              = "${var.name}-pipelines"
  service_account   = module.identities.names["delivery"]
  github_repository = var.github_repository
  gitlab_project    = var.gitlab_project
  gitlab_url        = var.gitlab_url
  branch            = var.branch
}
