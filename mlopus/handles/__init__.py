"""Entities that carry the API they came from."""
