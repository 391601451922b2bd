"""Artifact stores, and the router that chooses among them by URL."""
