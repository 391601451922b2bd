"""Handles whose verbs give values, and raise the error that a Failure would carry."""

from mlopus.handles.raising.exp import RaisingExp
from mlopus.handles.raising.model import RaisingModel
from mlopus.handles.raising.run import RaisingRun
from mlopus.handles.raising.version import RaisingModelVersion

__all__ = ["RaisingExp", "RaisingModel", "RaisingModelVersion", "RaisingRun"]
