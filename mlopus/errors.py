"""Every error of mlopus, as values that can also be raised.

The tree follows what a caller can do about it::

    MlopusError
    ├── NotFound             it is not there: check the name, or create it
    │   └── NotCached        it may be there, but this cache never held it: fetch it while online
    ├── Conflict             it is there, and differs from what was asked
    │   ├── AlreadyExists
    │   ├── StalePlan        the world moved since the plan was made: plan again
    │   └── PathInUse        a registered version points there
    ├── Unavailable          nobody answered: try again later
    │   ├── Unreachable
    │   ├── TimedOut
    │   ├── ServerFailed     the server answered that it cannot serve now
    │   └── OfflineMode      this API was told not to ask
    ├── Refused              the same call will never succeed: change it
    │   ├── Unauthorized
    │   ├── InvalidRequest
    │   ├── InvalidQuery
    │   ├── IllegalPath
    │   ├── ConflictingOptions
    │   ├── ValueTooLong
    │   ├── InvalidValue     a value that has no text, or a key no server takes
    │   └── Unsupported      this server, store or plan format does not do that
    ├── Damaged              bytes are not what they should be
    │   ├── DigestMismatch
    │   ├── UnreadableReply
    │   ├── UnreadableCache
    │   └── UnreadablePlan
    ├── StoreFailed          the artifact store or the disk refused, with its own words
    └── ExecutionStopped     a plan stopped midway: carries the receipt so far
        └── PublishFailed    names the kept source

Rules of this module: errors hold data and build their text from it; equal data makes equal
errors; every error can be pickled; no field ever holds a secret.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, cast

import attrs


class MlopusError(Exception):
    """Base of all errors of mlopus; never raised itself.

    `str(error)` names the thing, the place looked and the fact. `hint` says what to do next,
    apart from the message. `retriable` answers whether the same call, unchanged, may succeed later.

    Example:
        >>> error = NotFound(kind="run", key="3f2a", place="http://127.0.0.1:5000")
        >>> str(error)
        "run '3f2a' was not found in http://127.0.0.1:5000"
        >>> error == NotFound(kind="run", key="3f2a", place="http://127.0.0.1:5000")
        True
    """

    retriable: ClassVar[bool] = False
    text: ClassVar[str] = ""
    hint: str | None

    @property
    def message(self) -> str:
        """The text without the hint."""
        return self.text.format(**self._fields())

    def __str__(self) -> str:
        return self.message

    def _fields(self) -> dict[str, Any]:
        cls = cast("type[attrs.AttrsInstance]", type(self))
        return {field.name: getattr(self, field.name) for field in attrs.fields(cls)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MlopusError) or type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self.message))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self._fields()), ()


@attrs.frozen(kw_only=True, eq=False)
class NotFound(MlopusError):
    """Nothing of that kind and key is in the place looked."""

    kind: str
    key: str
    place: str
    hint: str | None = "Check the id, name or path: find_* and list_* tell what is there."

    text: ClassVar[str] = "{kind} {key!r} was not found in {place}"


@attrs.frozen(kw_only=True, eq=False)
class NotCached(NotFound):
    """The cache never held it; the server may."""

    hint: str | None = "Fetch it into the cache while online, then work offline."

    text: ClassVar[str] = "{kind} {key!r} was never cached in {place}"


class Conflict(MlopusError):
    """Something is there already, or moved, and differs from what was asked."""


@attrs.frozen(kw_only=True, eq=False)
class AlreadyExists(Conflict):
    """The name or path is taken."""

    kind: str
    key: str
    place: str
    hint: str | None = "Take another name, or get the one that is there."

    text: ClassVar[str] = "{kind} {key!r} already exists in {place}"


@attrs.frozen(kw_only=True, eq=False)
class StalePlan(Conflict):
    """What the plan expected to find has changed since; nothing was lost."""

    thing: str
    expected: str
    found: str
    hint: str | None = "Plan again: the new plan will see what is there now."

    text: ClassVar[str] = "{thing}: the plan expected {expected}, found {found}"


@attrs.frozen(kw_only=True, eq=False)
class PathInUse(Conflict):
    """A registered model version points to bytes that the call would change."""

    path: str
    used_by: str
    hint: str | None = "Publish to another path, or pass overwrite=True."

    text: ClassVar[str] = "path {path!r} holds the bytes of {used_by}, which would change"


class Unavailable(MlopusError):
    """Nobody answered, or nobody may be asked."""

    retriable: ClassVar[bool] = True


@attrs.frozen(kw_only=True, eq=False)
class Unreachable(Unavailable):
    """No connection could be made."""

    place: str
    reason: str
    hint: str | None = "Check the address and that the server runs; offline_mode=True works from the cache."

    text: ClassVar[str] = "{place} could not be reached: {reason}"


@attrs.frozen(kw_only=True, eq=False)
class TimedOut(Unavailable):
    """The connection was made, and the answer did not come in time."""

    place: str
    request: str
    timeout_s: float
    hint: str | None = "Try again, or raise timeout_s."

    text: ClassVar[str] = "{place} did not answer {request} within {timeout_s:g} s"


@attrs.frozen(kw_only=True, eq=False)
class ServerFailed(Unavailable):
    """The server answered with a failure of its own."""

    place: str
    request: str
    status: int
    code: str
    reply: str
    hint: str | None = "Try again later; the server's own log says more."

    text: ClassVar[str] = "{place} answered {status} {code} to {request}: {reply}"


@attrs.frozen(kw_only=True, eq=False)
class OfflineMode(Unavailable):
    """The call needs a server or store, and this API works offline."""

    retriable: ClassVar[bool] = False
    action: str
    hint: str | None = "Use an API without offline_mode for this call."

    text: ClassVar[str] = "{action} needs the server, and this API is offline"


class Refused(MlopusError):
    """The same call will never succeed."""


@attrs.frozen(kw_only=True, eq=False)
class Unauthorized(Refused):
    """The server does not accept the credentials, or they do not allow this."""

    place: str
    request: str
    status: int
    reply: str
    hint: str | None = "Check username and password or token (connect, MLFLOW_TRACKING_*, credentials file)."

    text: ClassVar[str] = "{place} answered {status} to {request}: {reply}"


@attrs.frozen(kw_only=True, eq=False)
class InvalidRequest(Refused):
    """The server, or a check made before asking it, refuses the request as it is."""

    place: str
    request: str
    code: str
    reply: str
    hint: str | None = None

    text: ClassVar[str] = "{place} refused {request} ({code}): {reply}"


@attrs.frozen(kw_only=True, eq=False)
class InvalidQuery(Refused):
    """A query or a sorting that has no meaning here."""

    path: str
    operator: str | None
    reason: str
    hint: str | None = None

    @property
    def message(self) -> str:
        """The text without the hint."""
        operator = f", operator {self.operator}" if self.operator else ""
        return f"invalid query at {repr(self.path) if self.path else 'the top'}{operator}: {self.reason}"


@attrs.frozen(kw_only=True, eq=False)
class IllegalPath(Refused):
    """A path that is not, or may not be, where it was asked to be."""

    path: str
    reason: str
    hint: str | None = "Choose another path."

    text: ClassVar[str] = "path {path!r} {reason}"


@attrs.frozen(kw_only=True, eq=False)
class ConflictingOptions(Refused):
    """Two options of one call exclude each other."""

    options: tuple[str, ...]
    reason: str
    hint: str | None = None

    @property
    def message(self) -> str:
        """The text without the hint."""
        return f"{' and '.join(self.options)}: {self.reason}"


@attrs.frozen(kw_only=True, eq=False)
class ValueTooLong(Refused):
    """A text is longer than the server keeps; servers cut it in silence, so it is not sent."""

    kind: str
    key: str
    length: int
    limit: int
    hint: str | None = "Shorten it, or log it as an artifact."

    text: ClassVar[str] = "{kind} {key!r} has {length:,} characters, the limit is {limit:,}"


@attrs.frozen(kw_only=True, eq=False)
class InvalidValue(Refused):
    """A key or value that cannot be written."""

    kind: str
    key: str
    reason: str
    hint: str | None = None

    text: ClassVar[str] = "{kind} {key!r} {reason}"


@attrs.frozen(kw_only=True, eq=False)
class Unsupported(Refused):
    """What was asked is not something this place does."""

    action: str
    place: str
    hint: str | None = None

    text: ClassVar[str] = "{place} does not support {action}"


class Damaged(MlopusError):
    """Bytes are not what they should be."""


@attrs.frozen(kw_only=True, eq=False)
class DigestMismatch(Damaged):
    """A file's content is not the content that was recorded or announced."""

    path: str
    place: str
    expected: str
    found: str
    hint: str | None = "Fetch it again; if it returns, the store or the disk damages data."

    text: ClassVar[str] = "{path!r} in {place}: expected {expected}, found {found}"


@attrs.frozen(kw_only=True, eq=False)
class UnreadableReply(Damaged):
    """A server answered with something that is not its protocol."""

    place: str
    request: str
    reason: str
    excerpt: str
    hint: str | None = "Check that the address is an MLflow server, not a login page or another service."

    text: ClassVar[str] = "{place} answered {request} with something unreadable ({reason}): {excerpt!r}"


@attrs.frozen(kw_only=True, eq=False)
class UnreadableCache(Damaged):
    """A file of the cache or of an embedded store cannot be read; it was not changed."""

    path: str
    reason: str
    hint: str | None = None

    text: ClassVar[str] = "{path} cannot be read: {reason}"


@attrs.frozen(kw_only=True, eq=False)
class UnreadablePlan(Damaged):
    """A text is not a plan, or one of another format."""

    reason: str
    hint: str | None = "Make the plan again with this version of mlopus."

    text: ClassVar[str] = "not a readable plan: {reason}"


@attrs.frozen(kw_only=True, eq=False)
class StoreFailed(MlopusError):
    """An artifact store or a disk failed, in its own words."""

    place: str
    action: str
    reason: str
    hint: str | None = None

    text: ClassVar[str] = "{action} failed in {place}: {reason}"


@attrs.frozen(kw_only=True, eq=False)
class ExecutionStopped(MlopusError):
    """A plan stopped midway. `receipt` holds what was done, `cause` what stopped it."""

    verb: str
    step: str
    cause: MlopusError
    receipt: Any
    hint: str | None = "What was done stays; the same call continues from there."

    @property
    def retriable(self) -> bool:  # type: ignore[override]
        """As the cause."""
        return self.cause.retriable

    text: ClassVar[str] = "{verb} stopped at '{step}': {cause.message}"


@attrs.frozen(kw_only=True, eq=False)
class PublishFailed(ExecutionStopped):
    """A publish stopped midway; the files to publish are kept at `source`."""

    source: str

    text: ClassVar[str] = "{verb} stopped at '{step}': {cause.message}; the files are kept at {source}"
