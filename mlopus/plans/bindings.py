"""Under which keys steps bind what they came to, for the steps and answers that name it."""

from __future__ import annotations

from typing import TypeAlias, TypeGuard

from immutabledict import immutabledict

from mlopus.domain.manifest import RemoteFile
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    RegisterVersion,
)
from mlopus.plans.outcomes import Committed, Outcome, Recorded, Transferred
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


def bindings_of(step: Step, outcome: Outcome) -> Bindings:
    """What later stages may name after a step, by key.

    An upload binds the validators of the whole path: of the files it sent, and of those it kept or left.
    """
    match outcome:
        case Recorded(record=record) if record is not None and is_creating(step):
            return immutabledict({created_key(step): record})
        case Committed() if isinstance(step, CommitTree):
            return immutabledict({step.binds: outcome.tree_key})
        case Committed() if isinstance(step, ExportTree):
            return immutabledict({step.commit.binds: outcome.tree_key})
        case Transferred() if isinstance(step, UploadFiles):
            return immutabledict({step.binds: validators_of(step.kept + step.left) | outcome.validators})
        case _:
            return immutabledict()


def validators_of(files: tuple[RemoteFile, ...]) -> immutabledict[str, str]:
    """What a store says of each file, where it says something."""
    return immutabledict({file.path: file.validator for file in files if file.validator is not None})
