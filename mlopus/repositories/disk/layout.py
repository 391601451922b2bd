"""What stands where in a cache folder, and how the folder says what it is."""

from __future__ import annotations

import hashlib
import os
import re

import attrs

from mlopus.domain.manifest import ArtifactSubject
from mlopus.errors import MlopusError, UnreadableCache
from mlopus.repositories.disk.files import disk_failed, write_durably
from mlopus.repositories.disk.owner import Owner
from mlopus.result import Failure, Result, Success

FORMAT = 1
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
_OWN_LINE = re.compile(r"^# mlopus-cache (?P<format>\d+) (?P<id>\S+)$", re.MULTILINE)
_TREE_KEY = re.compile(r"[0-9a-f]{64}")
_PLAIN_KEY = re.compile(r"[a-z0-9_][a-z0-9_.\-]{0,79}")
_MLOPUS_1 = ("metadata/exp", "metadata/run", "metadata/model", "metadata/mv", "artifacts/runs")
_NAME_OF_ROOT = "artifacts"
_NO_NAME = frozenset({"", ".", ".."})


def is_tree_key(text: str) -> bool:
    """Whether a text can be the key of a tree; anything else could lead out of the cache."""
    return _TREE_KEY.fullmatch(text) is not None


def content_name(name: str) -> str:
    """The name of a tree's content beside its manifest; a tree taken from a root has none of its own."""
    return name or _NAME_OF_ROOT


def is_content_name(name: str) -> bool:
    """Whether a tree may have that name."""
    return "/" not in name and "\0" not in name and name not in _NO_NAME - {""}


def is_of_mlopus_1(folder: str) -> bool:
    """Whether a folder is laid out as mlOpus 1.x did its cache."""
    return any(os.path.isdir(os.path.join(folder, mark)) for mark in _MLOPUS_1)


def old_cache_fault(folder: str) -> UnreadableCache | None:
    """Why a folder is not used as a cache: it is one of mlOpus 1.x; None if it is not."""
    if not is_of_mlopus_1(folder):
        return None
    hint = "Import it with mlopus.import_cache(folder, into=cache_dir), and name a new cache_dir."
    reason = "it is a cache folder of mlOpus 1.x, left as it is"
    return UnreadableCache(path=folder, reason=reason, hint=hint)


def path_in_tree(location: str, tree_key: str) -> str | None:
    """Which path of a tree an absolute path names, in whatever cache the tree is; None if it names none."""
    _, found, rest = location.partition(f"/trees/{tree_key}/")
    return rest.partition("/")[2] if found else None


@attrs.frozen
class Layout:
    """The paths of a cache folder. Nothing is read or made here.

    A manifest is named after the tree's key, so that no artifact can have the same name.
    """

    folder: str

    @property
    def tag(self) -> str:
        """The file that says what the folder is."""
        return os.path.join(self.folder, "CACHEDIR.TAG")

    @property
    def trees(self) -> str:
        """The folder of all trees."""
        return os.path.join(self.folder, "trees")

    def tree(self, key: str) -> str:
        """The folder of a tree: its manifest and its content."""
        return os.path.join(self.folder, "trees", key)

    def manifest(self, key: str) -> str:
        """The manifest of a tree."""
        return os.path.join(self.folder, "trees", key, f"{key}.json")

    def content(self, key: str, name: str) -> str:
        """The file or folder that a tree is."""
        return os.path.join(self.folder, "trees", key, content_name(name))

    def subject(self, origin_key: str, subject: ArtifactSubject) -> str:
        """The folder of a subject's entries."""
        return os.path.join(self.folder, "entries", origin_key, _subject_name(subject))

    def entry(self, origin_key: str, subject: ArtifactSubject, path: str) -> str:
        """The entry of a path."""
        name = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        return os.path.join(self.subject(origin_key, subject), f"{name}.json")

    @property
    def tmp(self) -> str:
        """The folder of work in progress."""
        return os.path.join(self.folder, "tmp")

    @property
    def locks(self) -> str:
        """The folder of locks, which only save work."""
        return os.path.join(self.folder, "tmp", "locks")

    @property
    def holds(self) -> str:
        """The folder of holds: which process needs which tree."""
        return os.path.join(self.folder, "tmp", "holds")

    @property
    def entries(self) -> str:
        """The folder of the entries of every origin."""
        return os.path.join(self.folder, "entries")

    @property
    def file_index(self) -> str:
        """The index of files by digest, which can be removed at any time."""
        return os.path.join(self.folder, "files.db")


def _subject_name(subject: ArtifactSubject) -> str:
    kind = subject.kind.replace(" ", "-")
    if _PLAIN_KEY.fullmatch(subject.key):
        return f"{kind}-{subject.key}"
    digest = hashlib.sha256(subject.key.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return f"{kind}={digest}"


def read_cache_id(folder: str) -> Result[str, UnreadableCache]:
    """The id of the cache in a folder; where there is none yet, the id that it will be made with.

    Fails with:
        UnreadableCache: The folder is a cache of mlOpus 1.x, of a newer mlopus, or of another program.
    """
    tag = Layout(folder).tag
    try:
        with open(tag, encoding="utf-8", errors="replace") as file:
            text = file.read(4096)
    except (FileNotFoundError, NotADirectoryError):
        return _id_before_creation(folder)
    except OSError as error:
        return Failure(UnreadableCache(path=tag, reason=error.strerror or str(error)))
    match = _OWN_LINE.search(text)
    if match is None:
        hint = "Choose another cache_dir, or remove this file if the folder is of mlopus."
        return Failure(UnreadableCache(path=tag, reason="it is not the tag of an mlopus cache", hint=hint))
    if int(match["format"]) > FORMAT:
        hint = "Use the newer mlopus, or another cache_dir."
        reason = f"the cache has format {match['format']} of a newer mlopus; this one reads up to {FORMAT}"
        return Failure(UnreadableCache(path=tag, reason=reason, hint=hint))
    return Success(match["id"])


def create_cache(folder: str) -> Result[str, MlopusError]:
    """Make the folder a cache, unless it is one already; answers its id."""
    known = read_cache_id(folder)
    if isinstance(known, Failure):
        return known
    layout, cache_id = Layout(folder), known.unwrap()
    try:
        if not os.path.exists(layout.tag):
            os.makedirs(folder, exist_ok=True)
            _write_tag(layout, cache_id)
        os.makedirs(layout.tmp, exist_ok=True)
    except OSError as error:
        return Failure(disk_failed(error, "creating the cache", folder))
    return Success(cache_id)


def _write_tag(layout: Layout, cache_id: str) -> None:
    lines = (
        _SIGNATURE,
        "# A cache of mlopus: backups may leave it out. Trees in it never change.",
        f"# mlopus-cache {FORMAT} {cache_id}",
    )
    temporary = os.path.join(layout.folder, f".{Owner.current().new_name()}.tag")
    write_durably(temporary, ("\n".join(lines) + "\n").encode())
    os.replace(temporary, layout.tag)


def _id_before_creation(folder: str) -> Result[str, UnreadableCache]:
    """The same for every process that looks at the same place, so that all would create one cache."""
    fault = old_cache_fault(folder)
    if fault is not None:
        return Failure(fault)
    place = f"{os.uname().nodename}\n{os.path.realpath(folder)}"
    return Success(hashlib.sha256(f"mlopus-cache\n{place}".encode("utf-8", "surrogatepass")).hexdigest()[:32])
