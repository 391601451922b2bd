"""Real MLflow servers, and small loopback servers that answer what a test says."""
