"""MLflow servers over REST. Nothing here imports httpx before the first request."""
