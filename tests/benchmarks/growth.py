"""How planning, staging and committing grow with the number of files: linearly, from 100 to 100,000."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import ArtifactSubject, RemoteFile
from mlopus.domain.origin import Origin
from mlopus.plans.steps import CommitTree
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.stores.listing import tree_of

SIZES = (100, 1_000, 10_000, 100_000)
BAR = 2.0
"""How much more a file may cost among the most than among a thousand."""
_RUN = ArtifactSubject(kind="run", key="benchmark")


@attrs.frozen
class Row:
    """Microseconds a file, of one act at each size."""

    act: str
    by_size: tuple[float, ...]

    @property
    def growth(self) -> float:
        """What a file costs among the most, over what it costs among a thousand."""
        return self.by_size[-1] / self.by_size[min(1, len(self.by_size) - 1)]


def files_of(count: int) -> tuple[RemoteFile, ...]:
    """A listing."""
    return tuple(
        RemoteFile(path=f"part-{n % 100:03}/file-{n:06}", size_bytes=16, validator=str(n))
        for n in range(count)
    )


def listing(count: int, _: str) -> float:
    """Checking every name of a listing."""
    files = files_of(count)
    return _timed(lambda: tree_of(files).unwrap())


def staging(count: int, folder: str) -> float:
    """Writing and hashing every file of a fetch."""
    stage = DiskArtifactCache(folder, Origin.of(folder)).stage("mem://benchmark").unwrap()

    def write() -> None:
        for file in files_of(count):
            with stage.create(file.path) as sink:
                sink.identify("v").unwrap()
                sink.write(file.path.encode()).unwrap()

    taken_s = _timed(write)
    stage.discard()
    return taken_s


def resuming(count: int, folder: str) -> float:
    """Taking over what the staging before has left."""
    stage = DiskArtifactCache(folder, Origin.of(folder)).stage("mem://benchmark").unwrap()

    def take() -> None:
        for file in files_of(count):
            with stage.create(file.path) as sink:
                assert sink.kept is not None
                sink.resume(sink.kept.size_bytes).unwrap()
                sink.identify("v").unwrap()

    taken_s = _timed(take)
    stage.discard()
    return taken_s


def committing(count: int, folder: str) -> float:
    """Making the tree of all of that a part of the cache."""
    stage = DiskArtifactCache(folder, Origin.of(folder)).stage("mem://benchmark").unwrap()
    for file in files_of(count):
        with stage.create(file.path) as sink:
            assert sink.kept is not None
            sink.resume(sink.kept.size_bytes).unwrap()
    step = CommitTree(
        staged="staged",
        subject=_RUN,
        path="model",
        name="model",
        is_file=False,
        empty_folders=(),
        store_url="mem://benchmark",
        validators=immutabledict(),
        taken_at=datetime.now(UTC),
        binds="tree",
    )
    return _timed(lambda: stage.commit(step).unwrap())


ACTS: tuple[tuple[str, Callable[[int, str], float]], ...] = (
    ("listing", listing),
    ("staging", staging),
    ("resuming", resuming),
    ("committing", committing),
)


def measure(sizes: tuple[int, ...]) -> tuple[Row, ...]:
    """Every act at every size."""
    taken: dict[str, list[float]] = {name: [] for name, _ in ACTS}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for name, act in ACTS:
                taken[name].append(act(size, os.path.join(folder, "cache")) / size * 1e6)
    return tuple(Row(name, tuple(values)) for name, values in taken.items())


def main() -> None:
    """Print the table."""
    print(f"microseconds a file, among {', '.join(f'{size:,}' for size in SIZES)} files")
    for row in measure(SIZES):
        verdict = "within" if row.growth <= BAR else "OVER"
        print(f"  {row.act:<11}", *(f"{value:9.1f}" for value in row.by_size), end="")
        print(f"   {row.growth:5.2f} x   {verdict} the bar of {BAR} x")


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
