"""Nested params, tags and metrics as the flat keys and texts that MLflow holds, and back.

Encoding checks everything a server would refuse, or cut in silence, before anything is sent: the
first thing wrong is a Failure that names its dotted key. Decoding takes whatever a server holds.

`decode(encode(nested))` is the normalised `nested`, with NaN and the infinities as text;
`encode(decode(texts))` is `texts`, under an exact codec.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.frozen import FrozenMap, Value
from mlopus.domain.nested import flatten, nest
from mlopus.domain.normal import normalise, normalise_metric, normalise_metrics, normalise_texts
from mlopus.domain.text import TextCodec
from mlopus.errors import InvalidValue, ValueTooLong
from mlopus.result import Failure, Result, Success

__all__ = [
    "TextKind",
    "TextLimits",
    "checked_key",
    "decode_metrics",
    "decode_params",
    "decode_tags",
    "encode_metrics",
    "encode_texts",
    "metric_from_server",
    "normalise",
    "normalise_metric",
]

TextKind: TypeAlias = Literal["param", "tag"]

_KEY = re.compile(r"[/\w.\- :]+")
_LARGEST_FLOAT = 1.7976931348623157e308


@attrs.frozen(kw_only=True)
class TextLimits:
    """The longest key, param and tag that a server keeps, in characters; runs have the defaults."""

    key: int = 250
    param: int = 6000
    tag: int = 8000

    def of(self, kind: TextKind) -> int:
        """The longest text of that kind."""
        return self.param if kind == "param" else self.tag


DEFAULT_LIMITS = TextLimits()


def encode_texts(
    kind: TextKind, nested: object, codec: TextCodec, limits: TextLimits = DEFAULT_LIMITS
) -> Result[FrozenMap[str, str], InvalidValue | ValueTooLong]:
    """Give the flat keys and texts of nested params or tags.

    Texts under the tags `mlflow` and `mlflow.*` are MLflow's own: a str there is written bare.

    Args:
        kind: "param" or "tag".
        nested: A mapping with str keys, or an attrs, dataclass or pydantic object.
        codec: How a leaf becomes text.
        limits: In characters.

    Fails with:
        InvalidValue: A key that no server takes or that is given twice, or a value without text.
        ValueTooLong: A text that a server would cut.

    Raises:
        TypeError: `nested` is nothing that has members.

    Example:
        >>> from mlopus.domain.text import PLAIN
        >>> encode_texts("param", {"opt": {"lr": 0.1, "name": "sgd"}}, PLAIN).unwrap()
        immutabledict({'opt.lr': '0.1', 'opt.name': 'sgd'})
    """
    normal = normalise_texts(kind, nested)
    if isinstance(normal, Failure):
        return normal
    flat = flatten(normal.unwrap(), kind=kind)
    if isinstance(flat, Failure):
        return flat
    texts: dict[str, str] = {}
    for key, value in flat.unwrap().items():
        checked = checked_key(kind, key, limits.key)
        if isinstance(checked, Failure):
            return checked
        if isinstance(value, str) and kind == "tag" and _is_of_mlflow(key):
            text = value
        else:
            written = codec.write(value)
            if isinstance(written, Failure):
                return Failure(InvalidValue(kind=kind, key=key, reason=written.failure().reason))
            text = written.unwrap()
        if len(text) > limits.of(kind):
            return Failure(ValueTooLong(kind=kind, key=key, length=len(text), limit=limits.of(kind)))
        texts[key] = text
    return Success(immutabledict(texts))


def encode_metrics(
    nested: object, limits: TextLimits = DEFAULT_LIMITS
) -> Result[FrozenMap[str, float], InvalidValue]:
    """Give the flat keys and floats of nested metrics.

    Args:
        nested: A mapping with str keys, or an attrs, dataclass or pydantic object.
        limits: In characters; of these, the key's.

    Fails with:
        InvalidValue: A key that no server takes or that is given twice, or a value without `__float__`.

    Raises:
        TypeError: `nested` is nothing that has members.

    Example:
        >>> encode_metrics({"val": {"acc": 0.9}, "epochs": 3}).unwrap()
        immutabledict({'val.acc': 0.9, 'epochs': 3.0})
    """
    normal = normalise_metrics(nested)
    if isinstance(normal, Failure):
        return normal
    flat = flatten(normal.unwrap(), kind="metric")
    if isinstance(flat, Failure):
        return flat
    floats: dict[str, float] = {}
    for key, value in flat.unwrap().items():
        checked = checked_key("metric", key, limits.key)
        if isinstance(checked, Failure):
            return checked
        if not isinstance(value, float):  # an empty mapping is the one leaf that is none
            return Failure(InvalidValue(kind="metric", key=key, reason="is an empty mapping, not a number"))
        floats[key] = value
    return Success(immutabledict(floats))


def decode_params(texts: Mapping[str, str], codec: TextCodec) -> FrozenMap[str, Value]:
    """Give the nested values of a server's params."""
    read = codec.read
    return nest({key: read(text) for key, text in texts.items()})


def decode_tags(texts: Mapping[str, str], codec: TextCodec) -> FrozenMap[str, Value]:
    """Give the nested values of a server's tags; those of `mlflow` and `mlflow.*` stay text.

    Example:
        >>> from mlopus.domain.text import PLAIN
        >>> decode_tags({"mlflow.runName": "5", "fold": "5"}, PLAIN)
        immutabledict({'mlflow': immutabledict({'runName': '5'}), 'fold': 5})
    """
    read = codec.read
    return nest({key: text if _is_of_mlflow(key) else read(text) for key, text in texts.items()})


def decode_metrics(floats: Mapping[str, float]) -> FrozenMap[str, Value]:
    """Give the nested floats of a server's metrics."""
    return nest({key: metric_from_server(number) for key, number in floats.items()})


def metric_from_server(number: float) -> float:
    """Give the metric that a server's number stands for: it keeps infinities as the largest floats.

    NaN is one object, so that entities that hold it are equal to themselves when they are read again.

    Example:
        >>> metric_from_server(-1.7976931348623157e308)
        -inf
    """
    if math.isnan(number):
        return math.nan
    return math.copysign(math.inf, number) if abs(number) == _LARGEST_FLOAT else number


def checked_key(kind: str, key: str, limit: int = DEFAULT_LIMITS.key) -> Result[str, InvalidValue]:
    """Give the key itself, if every server takes it.

    Args:
        kind: What the key names: "param", "tag" or "metric".
        key: The flat key.
        limit: In characters.

    Fails with:
        InvalidValue: It is empty or too long, has other characters than letters, digits and `_ - . / :`
            and blanks, or reads as another path (`a//b`, `/a`, `a/../b`, `..a`).
    """
    reason = _why_no_key(key, limit)
    if reason is None:
        return Success(key)
    return Failure(InvalidValue(kind=kind, key=key, reason=reason, hint="Give it another key."))


def _why_no_key(key: str, limit: int) -> str | None:
    if not key:
        return "is an empty key"
    if len(key) > limit:
        return f"is a key of {len(key)} characters, the limit is {limit}"
    if _KEY.fullmatch(key) is None:
        return "is no key that servers take: letters, digits, blanks and _ - . / : only"
    if key.startswith("..") or not {"", ".", ".."}.isdisjoint(key.split("/")):
        return "is no key that servers take: as a path it would have another name"
    return None


def _is_of_mlflow(key: str) -> bool:
    return key.startswith("mlflow") and (len(key) == 6 or key[6] == ".")  # noqa: PLR2004  # len("mlflow")
