"""Cloud Monitoring's dashboards: kept and checked; `gcpmlops monitoring` renders them."""
