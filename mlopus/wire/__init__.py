"""Formats without I/O: MLflow's REST messages, rows and plans as JSON, each as values."""
