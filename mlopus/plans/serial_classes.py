"""The converter between plans and plain JSON values: which classes there are, and how each is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from immutabledict import immutabledict

from mlopus.plans.plan import Plan
from mlopus.plans.serial_values import (
    float_from_json,
    float_to_json,
    moment_from_json,
    value_from_json,
    value_to_json,
)

_MAPPING = "mapping"
"""What is written as the type of a mapping that stands where an object may."""


def converter(*, explains: bool = True) -> Converter:
    """A converter that reads strictly, and writes the class of what may be of several.

    One that `explains` tells where something is wrong, and is slower.
    """
    made = Converter(omit_if_default=True, forbid_extra_keys=True, detailed_validation=explains)
    for kind in (str, int, bool):
        made.register_structure_hook(kind, partial(_read_strictly, kind))
    made.register_structure_hook(float, _read_float)
    made.register_unstructure_hook(float, float_to_json)
    made.register_structure_hook(datetime, _read_moment)
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook_factory(_is_mapping, _structure_mapping)
    made.register_unstructure_hook_factory(_is_mapping, _unstructure_mapping)
    made.register_structure_hook_factory(_is_choice, partial(_structure_choice, made))
    made.register_unstructure_hook_factory(_is_choice, partial(_unstructure_choice, made))
    unwritten = override(omit=True)
    made.register_unstructure_hook(
        Plan, make_dict_unstructure_fn(Plan, made, _cattrs_omit_if_default=True, roots=unwritten)
    )
    made.register_structure_hook(
        Plan, make_dict_structure_fn(Plan, made, _cattrs_forbid_extra_keys=True, roots=unwritten)
    )
    return made


def _read_strictly(kind: type, found: object, _: Any = None) -> Any:
    if type(found) is not kind:
        raise TypeError(f"{found!r:.60} is no {kind.__name__}")
    return found


def _read_float(found: object, _: Any) -> float:
    return float_from_json(found)


def _read_moment(found: object, _: Any) -> datetime:
    return moment_from_json(found)


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is immutabledict


def _structure_mapping(kind: Any) -> Callable[[object, Any], Any]:
    read = _reader(get_args(kind)[1])

    def structure(found: object, _: Any) -> Any:
        if not isinstance(found, dict):
            raise TypeError(f"{found!r:.60} is no object")
        members = cast("dict[str, object]", found)
        return immutabledict({key: read(value) for key, value in members.items()})

    return structure


def _unstructure_mapping(kind: Any) -> Callable[[Any], Any]:
    write = _writer(get_args(kind)[1])
    return lambda mapping: {key: write(value) for key, value in mapping.items()}


def _reader(member: Any) -> Callable[[object], Any]:
    """How the members of a mapping are read: texts, floats, or nested values."""
    if member is str:
        return partial(_read_strictly, str)
    return float_from_json if member is float else value_from_json


def _writer(member: Any) -> Callable[[Any], Any]:
    if member is str:
        return str
    return float_to_json if member is float else value_to_json


def _is_choice(kind: Any) -> bool:
    """Whether one of several kinds may stand here, which something written has to tell apart."""
    if get_origin(kind) not in (Union, UnionType):
        return False
    members = [member for member in get_args(kind) if member is not type(None)]
    return len(members) > 1


@attrs.frozen(kw_only=True)
class _Choice:
    """What may stand in a place: objects by the name of their class, texts, lists, a mapping."""

    objects: immutabledict[str, type]
    texts: frozenset[str]
    any_text: bool
    flag: bool
    nothing: bool
    items: Any
    mapping: Any

    @classmethod
    def of(cls, kind: Any) -> _Choice:
        members = get_args(kind)
        literals = [member for member in members if get_origin(member) is Literal]
        return cls(
            objects=immutabledict(
                {member.__name__: member for member in members if attrs.has(get_origin(member) or member)}
            ),
            texts=frozenset(text for literal in literals for text in get_args(literal)),
            any_text=str in members,
            flag=bool in members,
            nothing=type(None) in members,
            items=next((member for member in members if get_origin(member) is tuple), None),
            mapping=next((member for member in members if _is_mapping(member)), None),
        )

    def admits(self, found: object) -> bool:
        """Whether a plain value stands for itself."""
        if isinstance(found, str):
            return self.any_text or found in self.texts
        return (found is None and self.nothing) or (isinstance(found, bool) and self.flag)

    def class_of(self, found: dict[str, object]) -> type:
        name = found.get("type")
        kind = self.objects.get(name) if isinstance(name, str) else None
        if kind is None:
            raise ValueError(f"type {name!r:.60} is none of {', '.join(sorted(self.objects))}")
        return kind


def _structure_choice(made: Converter, kind: Any) -> Callable[[object, Any], Any]:
    choice = _Choice.of(kind)

    def structure(found: object, _: Any) -> Any:
        if choice.admits(found):
            return found
        if isinstance(found, list) and choice.items is not None:
            return made.structure(cast("list[object]", found), choice.items)
        if not isinstance(found, dict):
            raise TypeError(f"{found!r:.60} is nothing that may stand here")
        fields = cast("dict[str, object]", found)
        if fields.get("type") == _MAPPING and choice.mapping is not None:
            return made.structure(fields.get("members"), choice.mapping)
        chosen = choice.class_of(fields)
        body: dict[str, object] = {name: fields[name] for name in fields if name != "type"}
        read: Callable[[dict[str, object], type], Any] = made.get_structure_hook(chosen)
        return read(body, chosen)

    return structure


def _unstructure_choice(made: Converter, kind: Any) -> Callable[[Any], Any]:
    choice = _Choice.of(kind)

    def unstructure(value: Any) -> Any:
        if choice.admits(value):
            return value
        if isinstance(value, tuple):
            return made.unstructure(value, choice.items)
        if isinstance(value, immutabledict):
            return {"type": _MAPPING, "members": made.unstructure(value, choice.mapping)}
        chosen = choice.objects[type(value).__name__]
        return {"type": chosen.__name__, **made.unstructure(value, chosen)}

    return unstructure
