"""google.cloud.aiplatform.v1.PredictionService: online predictions and explanations by deployed models."""

from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services.prediction import replies
from gcpmlops.emulator.services.prediction.containers import JSON
from gcpmlops.emulator.services.prediction.service import PredictionService

__all__ = ["JSON", "PredictionService", "check_status", "parsed"]

parsed = replies.predictions


def check_status(reply: HttpReply) -> None:
    """`replies.check` of a whole reply."""
    replies.check(reply.status, reply.body)
