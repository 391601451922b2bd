"""What stands behind the ports: MLflow servers, SQLite, disks, object stores and memory."""
