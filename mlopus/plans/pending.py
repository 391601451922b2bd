"""What will exist later, named in a plan before it exists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import attrs
from immutabledict import immutabledict

T = TypeVar("T")


@attrs.frozen
class Pending:
    """The outcome of an earlier step, by the key under which that step binds it."""

    key: str

    def __str__(self) -> str:
        return f"<{self.key}>"


def known(value: T | Pending) -> T:
    """The value itself: what is pending has been bound before a repository sees a step."""
    assert not isinstance(value, Pending), f"{value} was not bound before execution"  # noqa: S101
    return value


def bind(value: T, bindings: immutabledict[str, Any]) -> T:
    """The same value with every `Pending` inside it replaced by what its key is bound to.

    The one place where that happens; called at the boundary between stages. Tables inside a step
    (fields that are tuples) hold nothing pending, and are not searched.

    Raises:
        KeyError: A key is not bound: the plan names an outcome that no earlier stage gives.
    """
    return cast("T", _bound(value, bindings))


def _bound(value: Any, bindings: immutabledict[str, Any]) -> Any:
    if isinstance(value, Pending):
        return bindings[value.key]
    if isinstance(value, tuple):
        items = cast("Sequence[Any]", value)
        bound = tuple(_bound(item, bindings) for item in items)
        return items if all(a is b for a, b in zip(items, bound, strict=True)) else bound
    kind = cast("type[attrs.AttrsInstance]", type(value))
    if attrs.has(kind):
        changes = {
            field.alias: new
            for field in attrs.fields(kind)
            if not isinstance(getattr(value, field.name), tuple)
            and (new := _bound(old := getattr(value, field.name), bindings)) is not old
        }
        return attrs.evolve(value, **changes) if changes else value
    return value
