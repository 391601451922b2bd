"""Entries on disk: a line that decides a hit, then a line with the validators of every file."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from immutabledict import immutabledict

from mlopus.domain.manifest import ArtifactSubject, Entry, Validators
from mlopus.errors import UnreadableCache
from mlopus.repositories.disk.layout import FORMAT, is_content_name, is_tree_key
from mlopus.result import Failure, Result, Success

_LOGGER = logging.getLogger("mlopus")


def entry_to_json(entry: Entry) -> bytes:
    """The text of an entry file: two lines, so that a hit need not parse the second."""
    head = {
        "format": FORMAT,
        "subject": [entry.subject.kind, entry.subject.key],
        "path": entry.path,
        "tree": entry.tree_key,
        "name": entry.name,
        "is_file": entry.is_file,
        "taken_at": entry.taken_at.astimezone(UTC).isoformat(),
        "store_url": entry.store_url,
    }
    lines = (json.dumps(head, ensure_ascii=False), json.dumps(dict(entry.validators), ensure_ascii=False))
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def read_entry(file: str, *, with_validators: bool) -> Result[Entry | None, UnreadableCache]:
    """The entry in a file; None if there is no file, or none that can be understood.

    Fails with:
        UnreadableCache: It cannot be read, or a newer mlopus wrote it.
    """
    try:
        with open(file, "rb") as content:
            head, validators = content.readline(), content.readline() if with_validators else b"{}"
    except (FileNotFoundError, NotADirectoryError):
        return Success(None)
    except OSError as error:
        return Failure(UnreadableCache(path=file, reason=error.strerror or str(error)))
    try:
        document = json.loads(head)
        if int(document["format"]) > FORMAT:
            hint = "Use the newer mlopus, or another cache_dir."
            return Failure(UnreadableCache(path=file, reason="a newer mlopus wrote it", hint=hint))
        return Success(_parsed(document, json.loads(validators)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        _LOGGER.warning("the cache entry %s is damaged and not served (%s)", file, type(error).__name__)
        return Success(None)


def _parsed(document: dict[str, Any], validators: dict[str, str]) -> Entry:
    kind, key = document["subject"]
    taken_at = datetime.fromisoformat(document["taken_at"])
    tree_key, name = document["tree"], document["name"]
    if not is_tree_key(tree_key) or not is_content_name(name) or taken_at.tzinfo is None:
        raise ValueError("an entry that no mlopus wrote")
    return Entry(
        subject=ArtifactSubject(kind=kind, key=key),
        path=document["path"],
        tree_key=tree_key,
        name=name,
        is_file=document["is_file"],
        taken_at=taken_at.astimezone(UTC),
        store_url=document["store_url"],
        validators=Validators(validators) if validators else immutabledict(),
    )


def newest_first(entries: list[Entry]) -> tuple[Entry, ...]:
    """In the order in which entries answer: of equally new ones, the one deepest first."""
    return tuple(sorted(entries, key=lambda entry: (entry.taken_at, entry.path), reverse=True))


def entry_files(folder: str) -> tuple[str, ...]:
    """The entry files of a subject."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(os.path.join(folder, name) for name in names if name.endswith(".json"))
