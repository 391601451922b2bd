"""MlflowClientTracking: stores that only the `mlflow` package opens, which is loaded on first use."""

from mlopus.repositories.mlflow_client.tracking import MlflowClientTracking

__all__ = ["MlflowClientTracking"]
