"""Who changed a policy or a channel, and when."""

from __future__ import annotations

from datetime import datetime

from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.kernel.call import current_call


def mutation(now: datetime) -> types.MutationRecord:
    """Of the call that is being answered."""
    return types.MutationRecord(mutate_time=now, mutated_by=current_call().caller.email)
