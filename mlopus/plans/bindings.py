"""Under which keys steps bind what they came to, for the steps and answers that name it."""

from __future__ import annotations

from typing import TypeAlias, TypeGuard

from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, OwnKey, RunKey, VersionKey, kind_of
from mlopus.domain.manifest import RemoteFile
from mlopus.domain.records import ExperimentRecord
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    RegisterVersion,
)
from mlopus.plans.copy_steps import CopyVersions
from mlopus.plans.outcomes import Committed, Outcome, Recorded, RunsCopied, Transferred, VersionsCopied
from mlopus.plans.steps import Bindings, CommitTree, ExportTree, Step, UploadFiles

CreatingStep: TypeAlias = (
    CreateExperiment | EnsureExperiment | CreateRun | CreateModel | EnsureModel | RegisterVersion
)

UPLOADED = "uploaded"
"""Key of what the store says of the published files."""
TREE = "tree"
"""Key of the committed tree."""
EXPORTED = "exported"
"""Key of the tree that an export committed in its folder."""
EXPERIMENT_ID = "experiment id"
EXPERIMENT_KEY = "experiment key"
"""Keys of the experiment that takes copies."""
RUNS = "runs"
"""Key of all copies of runs."""
STAGED = "artifact"
"""Name of the staging area of a plan's one tree."""


def is_creating(step: Step) -> TypeGuard[CreatingStep]:
    """Whether a step creates an entity, and so binds it."""
    return isinstance(
        step,
        CreateExperiment | EnsureExperiment | CreateRun | CreateModel | EnsureModel | RegisterVersion,
    )


def created_key(step: CreatingStep) -> str:
    """The key under which a creating step binds its entity."""
    match step:
        case CreateExperiment() | EnsureExperiment():
            return "experiment"
        case CreateRun():
            return "run"
        case CreateModel() | EnsureModel():
            return "model"
        case RegisterVersion():
            return "version"


def copied_key(source: OwnKey) -> str:
    """The key under which the copy of an entity is bound, by that of its source."""
    return f"copy of {kind_of(source)} {source}"


def bindings_of(step: Step, outcome: Outcome) -> Bindings:
    """What later stages may name after a step, by key.

    An upload binds the validators of the whole path: of the files it sent, and of those it kept or left.
    """
    match outcome:
        case Recorded(record=record) if record is not None and is_creating(step):
            named = (
                {EXPERIMENT_ID: record.id, EXPERIMENT_KEY: ExperimentKey(record.id)}
                if isinstance(record, ExperimentRecord)
                else {}
            )
            return immutabledict({created_key(step): record, **named})
        case Committed() if isinstance(step, CommitTree):
            return immutabledict({step.binds: outcome.tree_key})
        case Committed() if isinstance(step, ExportTree):
            return immutabledict({step.commit.binds: outcome.tree_key})
        case Transferred() if isinstance(step, UploadFiles):
            return immutabledict({step.binds: validators_of(step.kept + step.left) | outcome.validators})
        case RunsCopied(runs=copies):
            keys = {copied_key(RunKey(one.source_id)): RunKey(one.run_id) for one in copies.runs}
            return immutabledict({RUNS: copies, **keys})
        case VersionsCopied(versions=copied) if isinstance(step, CopyVersions):
            numbers = {
                copied_key(VersionKey(step.source_model, one.source_version)): VersionKey(
                    step.model_name, one.version
                )
                for one in copied
            }
            return immutabledict(numbers)
        case _:
            return immutabledict()


def validators_of(files: tuple[RemoteFile, ...]) -> immutabledict[str, str]:
    """What a store says of each file, where it says something."""
    return immutabledict({file.path: file.validator for file in files if file.validator is not None})
