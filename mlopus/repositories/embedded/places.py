"""Where an embedded store keeps artifacts. Rows hold places relative to the store, so that it can move."""

from __future__ import annotations

import attrs

from mlopus.domain.records import ExperimentRecord, Record, RunRecord, VersionRecord

_INSIDE = "mlopus-store:"
"""Begins a place inside the store, in its rows and nowhere else."""


def experiment_folder(exp_id: str) -> str:
    """Where the runs of an experiment keep their artifacts."""
    return f"{_INSIDE}artifacts/{exp_id}"


def run_folder(exp_id: str, run_id: str) -> str:
    """Where a run keeps its artifacts."""
    return f"{experiment_folder(exp_id)}/{run_id}"


def to_outside(record: Record, folder: str) -> Record:
    """A record as others see it, while the store is in that folder."""
    match record:
        case RunRecord():
            return attrs.evolve(record, artifact_uri=_absolute(record.artifact_uri, folder))
        case VersionRecord():
            return attrs.evolve(record, source=_absolute(record.source, folder))
        case ExperimentRecord() if record.artifact_location is not None:
            return attrs.evolve(record, artifact_location=_absolute(record.artifact_location, folder))
        case _:
            return record


def to_inside(place: str, folder: str) -> str:
    """A place as rows hold it: relative, if it is inside the store."""
    return f"{_INSIDE}{place[len(folder) + 1 :]}" if place.startswith(f"{folder}/") else place


def _absolute(place: str, folder: str) -> str:
    return f"{folder}/{place[len(_INSIDE) :]}" if place.startswith(_INSIDE) else place
