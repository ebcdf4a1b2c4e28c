output "emails" {
  description = "Email by account."
  value       = { for key, account in google_service_account.account : key => account.email }
}

output "names" {
  description = "Full resource name by account."
  value       = { for key, account in google_service_account.account : key => account.name }
}
