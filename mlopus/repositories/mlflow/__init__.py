"""MlflowTracking: MLflow servers over REST. Nothing here loads httpx before the first request."""

from mlopus.repositories.mlflow.endpoint import AuthCallable
from mlopus.repositories.mlflow.tracking import MlflowTracking

__all__ = ["AuthCallable", "MlflowTracking"]
