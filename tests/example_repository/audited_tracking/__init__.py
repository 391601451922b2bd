"""Tracking stores that write down who changed what: `audited:///path/of/a/folder`."""

from audited_tracking.store import AuditedTracking, open_store

__all__ = ["AuditedTracking", "open_store"]
