"""The local Google Cloud: official clients, gcloud and bq run against it unmodified."""
