"""Repositories on the local disk: the artifact cache, and the user's own files."""
