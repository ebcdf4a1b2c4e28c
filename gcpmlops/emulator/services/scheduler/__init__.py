"""Cloud Scheduler: jobs that call a target at the times of a schedule, by the emulator's clock."""
