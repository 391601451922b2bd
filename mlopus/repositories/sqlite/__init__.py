"""Repositories on SQLite: what the metadata cache and the embedded tracking store share."""
