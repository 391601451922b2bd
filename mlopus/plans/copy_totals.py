"""What copying asks of the stores, in requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from mlopus.plans.changes import SetTags
from mlopus.plans.copy_changes import describing, logging
from mlopus.plans.copy_steps import CopiedRun, CopyFiles, CopyRuns, CopyStep, CopyVersions, EndRuns
from mlopus.plans.facts import Facts
from mlopus.plans.moving import requests_to_fetch, requests_to_send


def requests_of_copying(step: CopyStep, facts: Facts) -> int:
    """Requests over a network that a step of copying takes, if each is answered at once."""
    tracked = 1 if facts.tracking.requests_cost else 0
    match step:
        case CopyRuns():
            return tracked * sum(_requests_of_copy(step, facts))
        case EndRuns():
            return tracked * len(step.ends)
        case CopyVersions():
            return tracked * _requests_of_versions(step)
        case CopyFiles():
            return _requests_of_files(step, facts)
        case _:
            assert_never(step)


def _requests_of_copy(step: CopyRuns, facts: Facts) -> Iterable[int]:
    """Of each run: its creation, and the batches of what is logged to it."""
    ids = {run.source_id for run in step.runs} | {run.source_id for run in step.there}
    copies = {one: CopiedRun(source_id=one, run_id=one, repo="") for one in ids}
    for run in step.runs:
        created = 1 + step.may_exist if run.run_id is None else 0
        yield created + len(logging(run, run.source_id, copies, facts.tracking.limits))


def _requests_of_versions(step: CopyVersions) -> int:
    requests = len(step.aliases)
    for version in step.versions:
        changes = describing(step, version, version.source_version)
        requests += sum(len(change.tags) if isinstance(change, SetTags) else 1 for change in changes)
        requests += 1 + step.may_exist if version.version is None else 0
    return requests


def _requests_of_files(step: CopyFiles, facts: Facts) -> int:
    """What files take on each side that is across a network."""
    if facts.copying is None:
        return 0
    source, target = facts.copying.source, facts.copying.target
    sizes = [one.file.size_bytes for tree in step.trees for one in tree.files]
    fetched = sum(requests_to_fetch(source.in_parts, size) for size in sizes) if source.files_cost else 0
    sent = sum(requests_to_send(target.in_parts, size or 0) for size in sizes) if target.files_cost else 0
    return fetched + sent
