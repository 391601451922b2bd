"""How long placing a tree takes beside `cp`, by symlink, by hard link and by copy.

Both sides of a row start from the same files in a cache and make the same target on the same disk.
Their rounds are interleaved, the disk is settled before each, and the medians are compared. Targets stay
until the end: ext4 makes new files slowly for minutes after many were removed, whoever makes them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import ArtifactSubject, Manifest
from mlopus.domain.origin import Origin
from mlopus.plans.links import LinkKind
from mlopus.plans.steps import CachedTree, CommitTree, PlacedFile, PlaceTree, TargetAbsent
from mlopus.ports.meter import NoMeter
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlopus.ports.streams import TreeSource

FILES = 10_000
FOLDERS = 100
FILE_BYTES = 4096
ROUNDS = 5
BAR = 1.3

# What is compared: a kind of link, and the options that make cp do the same.
KINDS: Mapping[LinkKind, str] = {"symlink": "-rs", "hardlink": "-rl", "copy": "-r"}
RUN = ArtifactSubject(kind="run", key="benchmark")


@attrs.frozen
class Row:
    """One line of the table: medians in seconds."""

    kind: LinkKind
    cp_s: float
    mlopus_s: float

    @property
    def ratio(self) -> float:
        """How many times as long mlopus takes."""
        return self.mlopus_s / self.cp_s


@attrs.frozen
class Cached:
    """A tree to be placed, and the folder that it is for cp."""

    manifest: Manifest
    source: TreeSource
    folder: str


def cached(folder: str, files: int) -> Cached:
    """A committed tree of that many small files, all different."""
    cache = DiskArtifactCache(os.path.join(folder, "cache"), Origin.of(folder))
    staging = cache.stage().unwrap()
    for number in range(files):
        with staging.create(f"folder-{number % FOLDERS:03}/file-{number:06}.bin") as file:
            file.write(number.to_bytes(8, "big") * (FILE_BYTES // 8)).unwrap()
    step = CommitTree(
        staged="staged",
        subject=RUN,
        path="model",
        name="model",
        is_file=False,
        empty_folders=(),
        store_url="mem://benchmark",
        validators=immutabledict(),
        taken_at=SystemClock().now(),
        binds="tree",
    )
    committed = staging.commit(step).unwrap()
    source = cache.tree(committed.tree_key).unwrap()
    return Cached(committed.manifest, source, source.local_path("") or "")


def place(tree: Cached, kind: LinkKind, target: str) -> float:
    """How many seconds mlopus takes to place a tree that is planned already."""
    files = tuple(
        PlacedFile(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256)
        for file in tree.manifest.files
    )
    step = PlaceTree(
        tree=CachedTree(tree_key=tree.manifest.key),
        is_file=False,
        files=files,
        empty_folders=(),
        ladder=(kind,),
        expect=TargetAbsent(),
    )
    began = time.perf_counter()
    LocalWorkspace(f"{target}-temp").place(step, target, tree.source, NoMeter()).unwrap()
    return time.perf_counter() - began


def copy(tree: Cached, kind: LinkKind, target: str) -> float:
    """How many seconds cp takes for the same."""
    began = time.perf_counter()
    subprocess.run(["cp", KINDS[kind], tree.folder, target], check=True)
    return time.perf_counter() - began


def measure(tree: Cached, folder: str, rounds: int) -> tuple[Row, ...]:
    """Every kind, both sides by turns; the first round only warms."""
    rows: list[Row] = []
    for kind in KINDS:
        taken: dict[str, list[float]] = {"cp": [], "mlopus": []}
        for number in range(rounds + 1):
            sides = (("cp", copy), ("mlopus", place))
            for name, act in sides if number % 2 else sides[::-1]:
                target = os.path.join(folder, f"{kind}-by-{name}-{number}")
                seconds = _settled(act, tree, kind, target)
                if number:
                    taken[name].append(seconds)
        rows.append(Row(kind, statistics.median(taken["cp"]), statistics.median(taken["mlopus"])))
    return tuple(rows)


def _settled(
    act: Callable[[Cached, LinkKind, str], float], tree: Cached, kind: LinkKind, target: str
) -> float:
    os.sync()
    return act(tree, kind, target)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        tree = cached(folder, FILES)
        rows = measure(tree, folder, ROUNDS)
    print(f"placing {FILES:,} files of {FILE_BYTES:,} bytes, medians of {ROUNDS} interleaved rounds")
    for row in rows:
        verdict = "within" if row.ratio <= BAR else "OVER"
        cp_ms, mlopus_ms = row.cp_s * 1000, row.mlopus_s * 1000
        print(f"  {row.kind:<9}cp {KINDS[row.kind]:<4}{cp_ms:8.1f} ms   mlopus {mlopus_ms:8.1f} ms", end="")
        print(f"   {row.ratio:5.2f} x   {verdict} the bar of {BAR} x")
