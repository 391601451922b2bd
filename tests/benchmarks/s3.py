"""How long transfers to and from S3 take beside rclone: one large file, and many small ones.

Both sides talk to the same real server on this machine, each round under keys of its own. Their rounds
are interleaved, and the medians are compared. rclone's time is that of its process; ours is that of the
call, in a process of its own, which also tells its peak of memory. What a download is committed with
(waiting until the disk has it, which rclone does not) is shown apart.

Downloads stand also beside obstore alone, which mlopus is built on: the same requests and writes on as
many threads, without hashes, checks or anything to go on from.

rclone's own server gives no ranges. The large file comes also from one that does: as fast as a network,
and as fast as the machine can. There it is the digest that counts, which rclone does not take: it stands
with an ETag that it compares, and with its file hashed after it, as whoever wants the digest would.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs

from tests.servers.object_stores import BUCKET, RCLONE, running_s3
from tests.servers.ranged_s3 import serving_ranges

MIB: Final = 1024 * 1024
LARGE_BYTES: Final = 1024 * MIB
SMALL_FILES: Final = 2_000
SMALL_BYTES: Final = 4096
ROUNDS: Final = 5
BARS: Final = {
    "large up": 1.1,
    "large down": 1.2,
    "small up": 0.7,
    "small down": 1.2,
    "ranges, 2.5 Gbit/s": 1.1,
    "ranges, checked by rclone": 1.1,
    "ranges, hashed after rclone": 1.1,
}
LINE_BYTES: Final = 312_500_000
MEMORY_BAR_BYTES: Final = 150_000_000

Action: TypeAlias = Literal["upload", "download"]
Side: TypeAlias = Literal["rclone", "mlopus", "obstore"]


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table: medians in seconds, our largest peak of memory."""

    name: str
    rclone_s: float
    mlopus_s: float
    obstore_s: float | None
    committed_s: float
    peak_bytes: int

    @property
    def ratio(self) -> float:
        """How many times as long mlopus takes."""
        return self.mlopus_s / self.rclone_s


@attrs.frozen
class Bench:
    """The server, and a folder for everything; whether what rclone downloads is hashed after it."""

    uri: str
    folder: Path
    hashes: bool = False

    def rclone(self, source: str, target: str) -> float:
        """How many seconds rclone takes to copy, a bucket named with `s3:`."""
        prefix = "RCLONE_CONFIG_S3_"
        settings = {"TYPE": "s3", "PROVIDER": "Rclone", "ENDPOINT": self.uri}
        keys = {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "body"}
        environment = {f"{prefix}{name}": value for name, value in (settings | keys).items()}
        began = time.perf_counter()
        subprocess.run(
            [str(RCLONE), "--config", os.devnull, "copy", source, target],
            env={**os.environ, **environment},
            check=True,
        )
        return time.perf_counter() - began

    def measured(self, side: Side, action: Action, key: str, folder: Path) -> dict[str, float]:
        """What a Python process measured of itself."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.benchmarks.s3_side"),
                *(side, action, self.uri, f"s3://{BUCKET}/{key}", str(folder)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        measured: dict[str, float] = json.loads(done.stdout)
        return measured

    def row(self, name: str, action: Action, source: Path, rounds: int, stored: str | None = None) -> Row:
        """All sides by turns; the first round only warms. What is `stored` is not sent there before."""
        if stored is None:
            stored = uuid.uuid4().hex
            self.rclone(str(source), f"s3:{BUCKET}/{stored}")
        sides: tuple[Side, ...] = ("rclone", "mlopus")
        if action == "download":
            sides = (*sides, "obstore")
        ready_bytes = 3 * sum(path.stat().st_size for path in source.iterdir())
        taken: dict[Side, list[dict[str, float]]] = {side: [] for side in sides}
        for number in range(rounds + 1):
            for side in sides if number % 2 else reversed(sides):
                os.sync()
                _take_memory(ready_bytes)
                taken[side].append(self._moved(side, action, source, stored))
        seconds = {
            side: statistics.median(one["seconds"] for one in rounds_of[1:])
            for side, rounds_of in taken.items()
        }
        return Row(
            name=name,
            rclone_s=seconds["rclone"],
            mlopus_s=seconds["mlopus"],
            obstore_s=seconds.get("obstore"),
            committed_s=statistics.median(one["committed_s"] for one in taken["mlopus"][1:]),
            peak_bytes=int(max(one["peak_bytes"] for one in taken["mlopus"])),
        )

    def _moved(self, side: Side, action: Action, source: Path, stored: str) -> dict[str, float]:
        fresh = uuid.uuid4().hex
        if action == "upload":
            if side == "rclone":
                measured = {"seconds": self.rclone(str(source), f"s3:{BUCKET}/{fresh}")}
            else:
                measured = self.measured(side, action, fresh, source)
            _empty(_bucket(self.folder) / fresh)
            return measured
        target = self.folder / fresh
        if side == "rclone":
            seconds = self.rclone(f"s3:{BUCKET}/{stored}", str(target))
            measured = {"seconds": seconds + (_hashing_s(target) if self.hashes else 0.0)}
        else:
            measured = self.measured(side, action, stored, target)
        _empty(target)
        return measured


def _take_memory(size_bytes: int) -> None:
    """Take memory and give it back, so that each side finds it ready.

    A virtual machine returns what is free to its host within seconds. To take it again costs as long as the
    transfer, and more the later a side begins: Python starts in half a second, rclone at once.
    """
    populate = getattr(mmap, "MAP_POPULATE", 0)
    if populate:
        mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | populate).close()


def _hashing_s(folder: Path) -> float:
    began = time.perf_counter()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")
    return time.perf_counter() - began


def _bucket(folder: Path) -> Path:
    return folder / "server" / "buckets" / BUCKET


def _empty(folder: Path) -> None:
    """Free a round's space, on the disk and in the page cache, which later rounds would have to clear first.

    Its files stay: ext4 gives no inode again for minutes after a removal, and looks through all of them
    for each new file (1 ms each after 2,000), whoever makes it.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            os.truncate(path, 0)


def measure(folder: Path, *, large_bytes: int, small_files: int, rounds: tuple[int, int]) -> tuple[Row, ...]:
    """All rows, on a server that lives as long as this."""
    with running_s3(folder / "server") as server:
        bench = Bench(server.uri, folder)
        large, small = _large(folder, large_bytes), _small(folder, small_files)
        whole = (
            bench.row("large up", "upload", large, rounds[0]),
            bench.row("large down", "download", large, rounds[0]),
            bench.row("small up", "upload", small, rounds[1]),
            bench.row("small down", "download", small, rounds[1]),
        )
    return (*whole, *_in_ranges(folder, large, rounds[0]))


def _in_ranges(folder: Path, large: Path, rounds: int) -> tuple[Row, ...]:
    """The large file from a server that gives ranges."""
    buckets = folder / "buckets"
    shutil.copytree(large, buckets / BUCKET / large.name, copy_function=os.link)

    def row(name: str, *, bytes_a_second: int = 0, tells_md5: bool = False, hashes: bool = False) -> Row:
        with serving_ranges(buckets, bytes_a_second=bytes_a_second, tells_md5=tells_md5) as uri:
            bench = Bench(uri, folder, hashes=hashes)
            return bench.row(name, "download", large, rounds, large.name)

    return (
        row("ranges, 2.5 Gbit/s", bytes_a_second=LINE_BYTES),
        row("ranges, checked by rclone", tells_md5=True),
        row("ranges, hashed after rclone", hashes=True),
    )


def _large(folder: Path, size_bytes: int) -> Path:
    (folder / "large").mkdir()
    with (folder / "large" / "weights.bin").open("wb") as file:
        for begin in range(0, size_bytes, MIB):
            file.write(os.urandom(min(MIB, size_bytes - begin)))
    return folder / "large"


def _small(folder: Path, count: int) -> Path:
    (folder / "small").mkdir()
    for number in range(count):
        (folder / "small" / f"{number:05}.bin").write_bytes(os.urandom(SMALL_BYTES))
    return folder / "small"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="mlopus-s3-") as folder:
        rows = measure(
            Path(folder), large_bytes=LARGE_BYTES, small_files=SMALL_FILES, rounds=(ROUNDS, ROUNDS)
        )
    print(f"S3: one file of {LARGE_BYTES // MIB:,} MiB, {SMALL_FILES:,} of {SMALL_BYTES:,} bytes;", end="")
    print(f" medians of {ROUNDS} interleaved rounds")
    for row in rows:
        bar = BARS[row.name]
        verdict = "within" if row.ratio <= bar else "OVER"
        memory = "within" if row.peak_bytes <= MEMORY_BAR_BYTES else "OVER"
        alone = f"   obstore alone {row.obstore_s:6.2f} s" if row.obstore_s else ""
        committed = f", committed after {row.committed_s:.2f} s" if row.committed_s else ""
        print(f"  {row.name:<29}rclone {row.rclone_s:6.2f} s{alone}   mlopus {row.mlopus_s:6.2f} s", end="")
        print(f"{committed}   {row.ratio:5.2f} x   {verdict} the bar of {bar} x", end="")
        print(f"   peak {row.peak_bytes / 1e6:.0f} MB, {memory} {MEMORY_BAR_BYTES / 1e6:.0f} MB")
