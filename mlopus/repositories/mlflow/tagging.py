"""Tags of experiments, models and versions, which servers take one by one: a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, assert_never, cast

import attrs

from mlopus.concurrency.crews import for_each
from mlopus.domain.keys import ExperimentKey, ModelKey, VersionKey
from mlopus.errors import MlopusError
from mlopus.plans.changes import SetTags
from mlopus.repositories.mlflow.asking import Asking
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.experiments import set_experiment_tag_request
from mlopus.wire.mlflow.http import HttpRequest
from mlopus.wire.mlflow.models import set_model_tag_request, set_version_tag_request

_MOST_NAMED: Final = 10


def set_tags(asking: Asking, change: SetTags, workers: int) -> Result[None, MlopusError]:
    """Set each tag by a request of its own.

    After a refusal nothing more is sent. Its error is answered; if some tags were set by then, its
    hint names them.

    Args:
        asking: Who keeps the entity.
        change: What to set on which.
        workers: How many requests at a time.
    """
    were_set: list[str] = []
    lock = threading.Lock()

    def send(key: str) -> Result[None, MlopusError]:
        done = asking.do(_request(change, key, change.tags[key]))
        if isinstance(done, Success):
            with lock:
                were_set.append(key)
        return done

    done = for_each(send, change.tags, min(workers, len(change.tags)))
    if isinstance(done, Success):
        return Success(None)
    return Failure(_partly_done(done.failure(), sorted(were_set), len(change.tags)))


def _request(change: SetTags, key: str, value: str) -> HttpRequest:
    match change.on:
        case ExperimentKey(exp_id):
            return set_experiment_tag_request(exp_id, key, value)
        case ModelKey(name):
            return set_model_tag_request(name, key, value)
        case VersionKey(name, version):
            return set_version_tag_request(name, version, key, value)
        case _:
            assert_never(change.on)


def _partly_done(error: MlopusError, were_set: Sequence[str], count: int) -> MlopusError:
    """The error, saying which tags were set all the same."""
    if not were_set:
        return error
    names = ", ".join(were_set[:_MOST_NAMED]) + (", …" if len(were_set) > _MOST_NAMED else "")
    said = f"{len(were_set)} of {count} tags were set: {names}. Setting them again does no harm."
    told: MlopusError = attrs.evolve(cast("Any", error), hint=f"{said} {error.hint or ''}".rstrip())
    return told
