"""MLflow's filters as values: clauses, all of which hold in a branch; branches, one of which holds.

MLflow itself knows no "or": each branch is a search of its own. `Pushed` is what can be asked of the
server for a part of a query, and is never less than what the part finds; `reasons` say where it is more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Final, Literal, TypeAlias, assert_never
from urllib.parse import quote

import attrs

ClauseField: TypeAlias = Literal["param", "tag", "metric", "attribute", "exp_ids"]
Operator: TypeAlias = Literal["=", "!=", ">", ">=", "<", "<=", "LIKE", "IN", "NOT IN"]
Operand: TypeAlias = str | int | float | tuple[str, ...]

MAX_BRANCHES: Final = 8
LONGEST_LITERAL: Final = 8000

_KEY = re.compile(r"[/\w.\- :]+")
_WILD = re.compile(r"%+")
_COMPLEMENTS: Final[dict[Operator, Operator]] = {"=": "!=", "!=": "=", "IN": "NOT IN", "NOT IN": "IN"}

# In a LIKE pattern: what JSON escapes, or a literal cannot hold, stands for any text; what some
# servers' own matching takes for syntax (they build a regular expression of it) for any character.
_AS_ANY_TEXT = "\"'\\"
_AS_ANY_CHARACTER = "^$*+?{}[]|()"
_LIKE = str.maketrans({**dict.fromkeys(_AS_ANY_TEXT, "%"), **dict.fromkeys(_AS_ANY_CHARACTER, "_")})


@attrs.frozen
class Clause:
    """One comparison. `key` is a param's, tag's or metric's, or an attribute as the server names it."""

    field: ClauseField
    key: str
    op: Operator
    operand: Operand

    def __str__(self) -> str:
        return f"{self._identifier()} {self.op} {_literal(self.operand)}"

    def _identifier(self) -> str:
        match self.field:
            case "param" | "tag" | "metric":
                return f"{self.field}s.`{self.key}`"
            case "attribute" | "exp_ids":
                return self.key
            case _:
                assert_never(self.field)


Branch: TypeAlias = tuple[Clause, ...]
"""Clauses that all hold; without clauses everything."""


@attrs.frozen
class Pushed:
    """What the server is asked for a part of a query; without branches the part finds nothing."""

    branches: tuple[Branch, ...]
    reasons: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether the server finds just what the part finds."""
        return not self.reasons


EVERYTHING: Final = Pushed(((),))
NOTHING: Final = Pushed(())


def not_pushed(reason: str) -> Pushed:
    """Everything is asked for, and checked here."""
    return Pushed(((),), (reason,))


def all_of(parts: tuple[Pushed, ...]) -> Pushed:
    """What is asked where every part holds; a part of too many branches is left to be checked here."""
    branches: tuple[Branch, ...] = ((),)
    reasons: list[str] = [reason for part in parts for reason in part.reasons]
    for part in sorted(parts, key=lambda part: len(part.branches)):
        if len(branches) * len(part.branches) > MAX_BRANCHES:
            reasons.append("together the alternatives are too many to be asked for one by one")
            continue
        branches = tuple((*one, *other) for one, other in product(branches, part.branches))
    return Pushed(branches, tuple(dict.fromkeys(reasons)))


def any_of(parts: tuple[Pushed, ...]) -> Pushed:
    """What is asked where one of the parts holds: a search for each alternative."""
    branches = tuple(dict.fromkeys(branch for part in parts for branch in part.branches))
    reasons = tuple(dict.fromkeys(reason for part in parts for reason in part.reasons))
    if () in branches:
        return Pushed(((),), reasons or ("an alternative is checked here, so all of them are",))
    if len(branches) > MAX_BRANCHES:
        return not_pushed("the alternatives are too many to be asked for one by one")
    return Pushed(branches, reasons)


def complement(part: Pushed, always_there: frozenset[str]) -> Pushed | None:
    """What is asked where a part does not hold; None where the server's answer would be another.

    Args:
        part: It must be one exact clause on an attribute.
        always_there: The attributes that no row lacks: a server's negation leaves out rows that do.
    """
    if not part.is_exact or len(part.branches) != 1 or len(part.branches[0]) != 1:
        return None
    clause = part.branches[0][0]
    opposite = _COMPLEMENTS.get(clause.op)
    if opposite is None or clause.key not in always_there:
        return None
    return Pushed(((attrs.evolve(clause, op=opposite),),))


def fitted(part: Pushed, most_bytes: int) -> Pushed:
    """The same, asked for by filters that take no more bytes in an address.

    A long list of values is asked for in parts; what is too long by itself is checked here.
    """
    branches = tuple(shorter for branch in part.branches for shorter in _in_parts(branch, most_bytes))
    if len(branches) > MAX_BRANCHES:
        branches = part.branches
    short = tuple(_without_the_longest(branch, most_bytes) for branch in branches)
    if short == part.branches:
        return part
    dropped = sum(map(len, short)) < sum(map(len, branches))
    reasons = (
        (*part.reasons, "a condition is too long for the address of a request") if dropped else part.reasons
    )
    return Pushed(((),) if () in short else tuple(dict.fromkeys(short)), tuple(dict.fromkeys(reasons)))


def _in_parts(branch: Branch, most_bytes: int) -> Iterator[Branch]:
    """The branch for one part of its first list after another, if it is too long otherwise."""
    number = next((n for n, clause in enumerate(branch) if clause.op == "IN"), None)
    if number is None or _length_bytes(branch) <= most_bytes:
        yield branch
        return
    clause = branch[number]
    assert isinstance(clause.operand, tuple)  # noqa: S101 (it is of IN)
    part: tuple[str, ...] = ()
    parts: list[tuple[str, ...]] = []
    others = _length_bytes(tuple(c for c in branch if c is not clause))
    for value in clause.operand:
        longer = (*part, value)
        if part and others + _length_bytes((attrs.evolve(clause, operand=longer),)) > most_bytes:
            parts.append(part)
            longer = (value,)
        part = longer
    for each in (*parts, part):
        yield tuple(attrs.evolve(c, operand=each) if n == number else c for n, c in enumerate(branch))


def _without_the_longest(branch: Branch, most_bytes: int) -> Branch:
    while _length_bytes(branch) > most_bytes:
        longest = max(branch, key=lambda clause: _length_bytes((clause,)))
        branch = tuple(clause for clause in branch if clause is not longest)
    return branch


def _length_bytes(branch: Branch) -> int:
    return len(quote(" AND ".join(map(str, branch)), safe="", errors="surrogatepass"))


def is_key(key: str) -> bool:
    """Whether a key of params, tags or metrics can be named in a filter."""
    return _KEY.fullmatch(key) is not None and key == key.strip()


def is_literal(text: str) -> bool:
    """Whether a text can be written as a literal: servers know no escapes, and halve some."""
    return (
        len(text) <= LONGEST_LITERAL
        and not ("'" in text and '"' in text)
        and "\\" not in text
        and not any(char < " " or "\ud800" <= char <= "\udfff" for char in text)
    )


def containing(*texts: str, after: str = "") -> str | None:
    """The pattern of values in which the texts follow one another; None if there is none.

    It matches at least those. `after` is a pattern for what the value begins with.
    """
    if any(char < " " or "\ud800" <= char <= "\udfff" for text in texts for char in text):
        return None
    pattern = _WILD.sub("%", f"{after}%{'%'.join(text.translate(_LIKE) for text in texts)}%")
    return pattern if len(pattern) <= LONGEST_LITERAL else None


def _literal(operand: Operand) -> str:
    if isinstance(operand, tuple):
        return f"({', '.join(_literal(member) for member in operand)})"
    if isinstance(operand, str):
        return f'"{operand}"' if "'" in operand else f"'{operand}'"
    return repr(operand).replace("e+", "e")  # servers read no plus sign in an exponent
