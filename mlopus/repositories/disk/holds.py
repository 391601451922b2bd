"""Holds: empty files whose names tell which living process needs which tree."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Generator, Iterator

from mlopus.errors import NotCached
from mlopus.plans.keeping import HeldTree
from mlopus.repositories.disk.files import disk_failed, write_new
from mlopus.repositories.disk.layout import Layout, is_tree_key
from mlopus.repositories.disk.marks import mark
from mlopus.repositories.disk.owner import Owner

_LOGGER = logging.getLogger("mlopus")


@contextlib.contextmanager
def holding(layout: Layout, tree_key: str) -> Generator[None]:
    """A block in which nobody evicts a tree.

    The hold is there before the tree is looked for, and an eviction looks in the other order.

    Raises:
        NotCached: The tree is not there.
        StoreFailed: The hold cannot be written.
    """
    file = os.path.join(layout.holds, f"{Owner.current().new_name()}.{tree_key}")
    try:
        os.makedirs(layout.holds, exist_ok=True)
        write_new(file, b"")
    except OSError as error:
        raise disk_failed(error, "holding a tree", layout.folder) from error
    try:
        if not mark(layout.tree(tree_key)):
            raise NotCached(kind="tree", key=tree_key, place=layout.folder)
        yield
    finally:
        _removed(file)


def held_trees(layout: Layout) -> Iterator[HeldTree]:
    """The trees that living processes hold; holds of dead ones are removed."""
    try:
        names = sorted(os.listdir(layout.holds))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        owner, tree_key = Owner.of_name(name.partition(".")[0]), name.rpartition(".")[2]
        file = os.path.join(layout.holds, name)
        if owner is None or not is_tree_key(tree_key):
            continue
        if owner.is_dead():  # one of another machine is believed, however old it is
            _removed(file)
        else:
            yield HeldTree(tree_key=tree_key, by="hold", reason=f"held by process {owner.pid}")


def _removed(file: str) -> None:
    try:
        os.unlink(file)
    except FileNotFoundError:
        return
    except OSError as error:
        _LOGGER.info("%s was not removed: %s", file, error)
