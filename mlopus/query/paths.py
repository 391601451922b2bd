"""From a path and a document to the values that the path reaches.

A path reaches a list of candidates, and a condition on it holds if it holds for one of them:

- through objects by name; what is not there is one `MISSING`, below a scalar or null too;
- through an array into each object among its elements, never into an array among them; a component
  that is a canonical index (`0`, `12`, not `01`) also reaches the element at that place;
- an empty array, or one of scalars, gives no candidate at all to what is left of a path;
- an array reached by name at the end gives each element, then itself; by index only itself.

One rule is ours, for documents that hold `{"a": 1, "a.b": 2}`: where an object has a key that is
several components joined by dots, the path is read both ways and reaches the values of all
readings; it reaches `MISSING` only if no reading gives a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import attrs
from immutabledict import immutabledict

from mlopus.query.ast import Path
from mlopus.query.values import MISSING, PLAIN_TYPES, SEVERAL, plain

Test: TypeAlias = Callable[[Any], bool]
"""Whether one candidate, of a plain type or `MISSING`, satisfies a condition."""

Predicate: TypeAlias = Callable[[Any], bool]
"""Whether a document, or an element of an array, satisfies a condition."""

OBJECT_TYPES: Final[frozenset[type]] = frozenset({dict, immutabledict})
SCALAR_TYPES: Final = PLAIN_TYPES - OBJECT_TYPES - {list, tuple}


@attrs.frozen
class _Step:
    """One component, as a name, as an index, and joined with those that follow."""

    name: str
    index: int | None
    joined: tuple[tuple[str, int], ...]


@attrs.frozen
class Route:
    """A path prepared for walking; `elements` tells whether an array at the end gives its elements."""

    steps: tuple[_Step, ...]
    elements: bool

    def candidates(self, document: object) -> Iterator[Any]:
        """Give all that the path reaches, in no promised order, duplicates included."""
        return self._walk(document, 0)

    def _walk(self, value: object, at: int) -> Iterator[Any]:
        value = plain(value)
        if at == len(self.steps):
            if self.elements and isinstance(value, list | tuple):
                yield from map(plain, cast("Iterable[object]", value))
            yield value
        elif isinstance(value, Mapping):
            yield from self._walk_object(cast("Mapping[str, object]", value), at)
        elif isinstance(value, list | tuple):
            yield from self._walk_array(cast("Sequence[object]", value), at)
        else:
            yield MISSING

    def _walk_object(self, value: Mapping[str, object], at: int) -> Iterator[Any]:
        step = self.steps[at]
        dotted = [(key, then) for key, then in step.joined if key in value]
        if not dotted:
            if step.name in value:
                yield from self._walk(value[step.name], at + 1)
            else:
                yield MISSING
            return
        readings = [(step.name, at + 1), *dotted] if step.name in value else dotted
        reached = [found for key, then in readings for found in self._walk(value[key], then)]
        present = [found for found in reached if found is not MISSING]
        yield from present or reached

    def _walk_array(self, value: Sequence[object], at: int) -> Iterator[Any]:
        index = self.steps[at].index
        for position, element in enumerate(value):
            item = plain(element)
            if position == index:
                if at + 1 == len(self.steps):
                    yield item
                elif isinstance(item, Mapping | list | tuple):
                    yield from self._walk(cast("object", item), at + 1)
            if isinstance(item, Mapping):
                yield from self._walk_object(cast("Mapping[str, object]", item), at)


def route(path: Path, *, elements: bool) -> Route:
    """Prepare a path for walking."""
    parts = path.parts
    steps: list[_Step] = []
    for at, part in enumerate(parts):
        ends = range(at + 2, len(parts) + 1)
        steps.append(_Step(part, _index(part), tuple((".".join(parts[at:end]), end) for end in ends)))
    return Route(tuple(steps), elements and bool(parts))


def _index(part: str) -> int | None:
    """Read a canonical array index; longer digits than any array has stay a name."""
    if part.isascii() and part.isdecimal() and len(part) < 19 and (part == "0" or part[0] != "0"):  # noqa: PLR2004
        return int(part)
    return None


def sole_candidate(way: Route) -> Callable[[Any], Any]:
    """Make the function that gives the one candidate of most documents, without a generator.

    It gives `SEVERAL` where an array, a dotted key or a foreign type asks for the full walk.
    """
    steps = tuple((step.name, tuple(key for key, _ in step.joined)) for step in way.steps)

    def sole(document: Any) -> Any:
        value = document
        for name, joined in steps:
            if type(value) not in OBJECT_TYPES:
                return SEVERAL
            for key in joined:
                if key in value:
                    return SEVERAL
            if name not in value:
                return MISSING
            value = value[name]
        return value if type(value) in SCALAR_TYPES else SEVERAL

    return sole


def any_candidate(path: Path, test: Test, *, elements: bool = True) -> Predicate:
    """Make the predicate that holds for a document if the test holds for one candidate of the path."""
    way = route(path, elements=elements)
    sole = sole_candidate(way)

    def predicate(document: Any) -> bool:
        value = sole(document)
        return any(map(test, way.candidates(document))) if value is SEVERAL else test(value)

    return predicate
