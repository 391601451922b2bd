"""A client for MLflow with a verified local cache, real offline work, and readable plans."""
