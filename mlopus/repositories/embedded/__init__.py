"""A tracking store in a folder, for one machine and any number of processes; no server."""

from mlopus.repositories.embedded.tracking import EmbeddedTracking

__all__ = ["EmbeddedTracking"]
