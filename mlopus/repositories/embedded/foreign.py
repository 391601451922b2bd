"""Telling a folder of MLflow's file store (`mlruns`) from an embedded store: both are given as a folder."""

from __future__ import annotations

from pathlib import Path

DATABASE_NAME = "tracking.db"


def is_mlruns(folder: str) -> bool:
    """Whether MLflow keeps experiments as files in a folder."""
    path = Path(folder)
    if (path / DATABASE_NAME).exists() or not path.is_dir():
        return False
    return (path / ".trash").is_dir() or any(path.glob("[0-9]*/meta.yaml"))
