"""Errors are values: equal by their data, picklable, and their texts name what they hold."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest

from mlopus import errors
from mlopus.errors import MlopusError
from mlopus.result import Failure, or_raise

CAUSE = errors.NotFound(kind="run", key="3f2a", place="memory")
SAMPLES: dict[str, Any] = {
    "options": ("link", "overwrite"),
    "timeout_s": 2.5,
    "status": 503,
    "length": 7000,
    "limit": 6000,
    "cause": CAUSE,
    "receipt": None,
    "operator": "$gt",
}
LEAVES = sorted(
    (cls for cls in vars(errors).values() if isinstance(cls, type) and attrs.has(cls)),
    key=lambda cls: cls.__name__,
)
UNSAID = {"hint", "receipt", "cause", "options", "length", "limit", "timeout_s"}


def sample(cls: type[MlopusError], **changes: Any) -> MlopusError:
    fields = {field.name: SAMPLES.get(field.name, f"the {field.name}") for field in attrs.fields(cls)}
    return cls(**{**fields, **changes})


def test_each_group_says_what_a_caller_can_do() -> None:
    groups = {cls.__name__ for cls in MlopusError.__subclasses__()}

    assert groups >= {"NotFound", "Conflict", "Unavailable", "Refused", "Damaged", "ExecutionStopped"}


def test_what_was_never_cached_is_also_not_found() -> None:
    assert issubclass(errors.NotCached, errors.NotFound)


@pytest.mark.parametrize("cls", LEAVES, ids=lambda cls: cls.__name__)
class TestEveryError:
    def test_equals_another_of_the_same_data(self, cls: type[MlopusError]) -> None:
        assert sample(cls) == sample(cls)
        assert hash(sample(cls)) == hash(sample(cls))

    def test_differs_from_one_of_other_data(self, cls: type[MlopusError]) -> None:
        assert sample(cls) != sample(cls, hint="another")

    def test_comes_back_from_a_pickle(self, cls: type[MlopusError]) -> None:
        assert pickle.loads(pickle.dumps(sample(cls))) == sample(cls)  # noqa: S301 (our own bytes)

    def test_names_its_fields_in_its_text(self, cls: type[MlopusError]) -> None:
        said = [field.name for field in attrs.fields(cls) if field.name not in UNSAID]

        assert all(str(SAMPLES.get(name, f"the {name}")) in str(sample(cls)) for name in said)

    def test_is_in_the_tree_that_the_module_draws(self, cls: type[MlopusError]) -> None:
        assert cls.__name__ in str(errors.__doc__)

    def test_keeps_its_cause_and_notes_when_it_is_raised(self, cls: type[MlopusError]) -> None:
        with pytest.raises(cls) as raised:
            raise sample(cls) from ValueError("foreign")

        assert isinstance(raised.value.__cause__, ValueError)


def test_raising_adds_the_hint_once() -> None:
    failure = Failure(errors.NotFound(kind="run", key="1", place="here", hint="Look there."))

    for _ in range(2):
        with pytest.raises(errors.NotFound) as raised:
            or_raise(failure)

    assert raised.value.__notes__ == ["Look there."]


def test_a_stopped_execution_is_worth_a_retry_if_its_cause_is() -> None:
    busy = errors.TimedOut(place="here", request="GET /x", timeout_s=1)

    assert sample(errors.ExecutionStopped, cause=busy).retriable
    assert not sample(errors.ExecutionStopped).retriable
