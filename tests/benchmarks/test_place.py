"""The placing benchmark makes the same of both sides; how fast it is, no test asks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.place import KINDS, cached, copy, measure, place

if TYPE_CHECKING:
    from pathlib import Path

    from mlopus.plans.links import LinkKind


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_make_the_same_target(tmp_path: Path, kind: LinkKind) -> None:
    tree = cached(str(tmp_path), files=20)

    copy(tree, kind, str(tmp_path / "by-cp"))
    place(tree, kind, str(tmp_path / "by-mlopus"))

    made = [seen(tmp_path / name) for name in ("by-cp", "by-mlopus")]
    assert made[0] == made[1]
    assert len(made[0]) == 20


def test_every_kind_is_measured_on_both_sides(tmp_path: Path) -> None:
    rows = measure(cached(str(tmp_path), files=5), str(tmp_path), rounds=1)

    assert [row.kind for row in rows] == list(KINDS)
    assert all(row.cp_s > 0 and row.mlopus_s > 0 for row in rows)


def seen(folder: Path) -> dict[str, tuple[bytes, bool, int]]:
    """By path: the content, whether it is a link, and its inode unless it is a file of its own."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (
            path.read_bytes(),
            path.is_symlink(),
            os.stat(path).st_ino if path.is_symlink() or path.stat().st_nlink > 1 else 0,
        )
        for path in files
    }
