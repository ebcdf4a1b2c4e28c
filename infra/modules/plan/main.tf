# Names, labels and roles of the set-up, from setup.json, which gcpmlops writes of its own definition. Makes nothing.

locals {
  setup   = jsondecode(file("${path.module}/setup.json"))
  slug    = replace(replace(var.project, ":", "-"), ".", "-")
  domain  = join(".", reverse(split(":", var.project)))
  actions = [for action in local.setup.actions : action if contains(var.actions, action)]

  accounts = {
    for account, about in local.setup.accounts : account => {
      id          = "${var.name}-${account}"
      email       = "${var.name}-${account}@${local.domain}.iam.gserviceaccount.com"
      title       = "${var.name} ${account}"
      description = "${about.text} Made by gcpmlops init (${var.name})."
    } if length(setintersection(about.actions, var.actions)) > 0
  }

  apis     = distinct(concat(local.setup.always, flatten([for action in local.actions : local.setup.apis[action]])))
  staging  = coalesce(var.staging_bucket, "${local.slug}-vertex-staging-${var.location}")
  buckets  = distinct(concat(["${local.slug}-${var.name}-data", local.staging], var.buckets))
  datasets = distinct(concat([replace(var.name, "-", "_")], flatten([for action in local.actions : local.setup.datasets[action]]), var.datasets))

  repository = contains(var.actions, "deliver") ? var.name : null
  labels = {
    (local.setup.labels.managed_by) = "gcpmlops"
    (local.setup.labels.setup)      = var.name
  }

  targets = concat(["project", "buckets", "datasets"], local.repository == null ? [] : ["repository"], keys(local.accounts))
  wanted = distinct([
    for rule in local.setup.rules : "${rule.account}|${rule.role}|${rule.on}"
    if contains(var.actions, rule.action) && contains(local.targets, rule.on)
  ])
  grants = [
    for grant in local.wanted : {
      account = split("|", grant)[0]
      role    = "roles/${split("|", grant)[1]}"
      on      = split("|", grant)[2]
      member  = "serviceAccount:${var.name}-${split("|", grant)[0]}@${local.domain}.iam.gserviceaccount.com"
    }
    if !anytrue([
      for greater, lesser in local.setup.covers : split("|", grant)[1] == lesser
      && contains(local.wanted, "${split("|", grant)[0]}|${greater}|${split("|", grant)[2]}")
    ])
  ]
}
