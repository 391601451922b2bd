"""What publishing online and offline have in common."""

from __future__ import annotations

from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey
from mlopus.domain.records import Record, RunRecord
from mlopus.errors import InvalidRequest
from mlopus.plans.envelope import record_of
from mlopus.plans.facts import Facts, SourceFacts
from mlopus.plans.plan import Stage
from mlopus.plans.publish_policy import PublishPolicy
from mlopus.plans.requests import LogModelVersion
from mlopus.plans.steps import RemoveFiles


def version_refused(version: str, place: str) -> InvalidRequest:
    """Why nobody chooses the number of a version."""
    return InvalidRequest(
        place=place,
        request="log_model_version",
        code="INVALID_PARAMETER_VALUE",
        reply=f"version {version!r} was asked for, and MLflow numbers versions itself",
        hint="Leave version out; an alias or a tag can name it.",
    )


def source_removal(policy: PublishPolicy, source: SourceFacts) -> Stage:
    """The stage that takes the source away, if it goes: what was moved out of it is gone already."""
    if not policy.removes_source:
        return ()
    files = tuple(sorted(source.files, key=lambda file: file.path))
    folders = tuple(sorted(source.empty_folders))
    return (RemoveFiles(root="source", files=files, empty_folders=folders, is_file=source.is_file),)


def parents_of(request: LogModelVersion, facts: Facts) -> tuple[Record, ...]:
    """The model, the run and its experiment, as far as they were gathered."""
    model = record_of(facts, ModelKey(request.model.name))
    run = record_of(facts, RunKey(request.run.id))
    exp = record_of(facts, ExperimentKey(run.exp_id)) if isinstance(run, RunRecord) else None
    return tuple(record for record in (model, run, exp) if record is not None)
