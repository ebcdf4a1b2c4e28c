resource "google_service_account" "account" {
  for_each = var.accounts

  project      = var.project
  account_id   = each.value.id
  display_name = each.value.title
  description  = each.value.description
}

resource "google_project_iam_member" "grant" {
  for_each = { for grant in var.project_grants : "${grant.role} ${grant.member}" => grant }

  project = var.project
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_service_account.account]
}

# To act as one account, on that account alone, never on the project.
resource "google_service_account_iam_member" "grant" {
  for_each = { for grant in var.account_grants : "${grant.on} ${grant.role} ${grant.member}" => grant }

  service_account_id = google_service_account.account[each.value.on].name
  role               = each.value.role
  member             = each.value.member

  depends_on = [google_service_account.account]
}
