"""google.cloud.aiplatform.v1.PredictionService: online predictions and explanations by deployed models."""

from gcpmlops.emulator.services.prediction.service import PredictionService

__all__ = ["PredictionService"]
