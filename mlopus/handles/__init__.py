"""Handles: entities that carry an API, so that their verbs are at hand."""

from mlopus.handles.exp import ExpApi
from mlopus.handles.model import ModelApi
from mlopus.handles.run import RunApi
from mlopus.handles.version import ModelVersionApi

__all__ = ["ExpApi", "ModelApi", "ModelVersionApi", "RunApi"]
