"""How long transfers to and from S3 take beside rclone: one large file, and many small ones.

Both sides talk to the same real server on this machine, each round under keys of its own. Their rounds
are interleaved, and the medians are compared. rclone's time is that of its process; ours is that of the
call, in a process of its own, which also tells its peak of memory. What a download is committed with
(waiting until the disk has it, which rclone does not) is shown apart.
"""

from __future__ import annotations

import json
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

MIB: Final = 1024 * 1024
LARGE_BYTES: Final = 1024 * MIB
SMALL_FILES: Final = 2_000
SMALL_BYTES: Final = 4096
ROUNDS: Final = 5
LARGE_BAR: Final = 1.1
SMALL_BAR: Final = 0.6
MEMORY_BAR_BYTES: Final = 150_000_000

Action: TypeAlias = Literal["upload", "download"]


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table: medians in seconds, our largest peak of memory."""

    name: str
    rclone_s: float
    mlopus_s: float
    committed_s: float
    peak_bytes: int
    bar: float

    @property
    def ratio(self) -> float:
        """How many times as long mlopus takes."""
        return self.mlopus_s / self.rclone_s


@attrs.frozen
class Bench:
    """The server, and a folder for everything."""

    uri: str
    folder: Path

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

    def mlopus(self, action: Action, key: str, folder: Path) -> dict[str, float]:
        """What our side measured of itself."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.benchmarks.s3_side"),
                *(action, self.uri, f"s3://{BUCKET}/{key}", str(folder)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        measured: dict[str, float] = json.loads(done.stdout)
        return measured

    def row(self, name: str, action: Action, source: Path, rounds: int, bar: float) -> Row:
        """Both sides by turns; the first round only warms."""
        stored = uuid.uuid4().hex
        self.rclone(str(source), f"s3:{BUCKET}/{stored}")
        theirs: list[float] = []
        ours: list[dict[str, float]] = []
        for number in range(rounds + 1):
            for side in ("rclone", "mlopus") if number % 2 else ("mlopus", "rclone"):
                os.sync()
                if side == "rclone":
                    theirs.append(self._rclone(action, source, stored))
                else:
                    ours.append(self._mlopus(action, source, stored))
        return Row(
            name=name,
            rclone_s=statistics.median(theirs[1:]),
            mlopus_s=statistics.median(side["seconds"] for side in ours[1:]),
            committed_s=statistics.median(side["committed_s"] for side in ours[1:]),
            peak_bytes=int(max(side["peak_bytes"] for side in ours)),
            bar=bar,
        )

    def _rclone(self, action: Action, source: Path, stored: str) -> float:
        if action == "upload":
            return self.rclone(str(source), f"s3:{BUCKET}/{uuid.uuid4().hex}")
        target = self.folder / "by-rclone"
        seconds = self.rclone(f"s3:{BUCKET}/{stored}", str(target))
        shutil.rmtree(target)
        return seconds

    def _mlopus(self, action: Action, source: Path, stored: str) -> dict[str, float]:
        if action == "upload":
            return self.mlopus(action, uuid.uuid4().hex, source)
        target = self.folder / "by-mlopus"
        measured = self.mlopus(action, stored, target)
        shutil.rmtree(target)
        return measured


def measure(folder: Path, *, large_bytes: int, small_files: int, rounds: tuple[int, int]) -> tuple[Row, ...]:
    """All rows, on a server that lives as long as this."""
    with running_s3(folder / "server") as server:
        bench = Bench(server.uri, folder)
        large, small = _large(folder, large_bytes), _small(folder, small_files)
        return (
            bench.row("large up", "upload", large, rounds[0], LARGE_BAR),
            bench.row("large down", "download", large, rounds[0], LARGE_BAR),
            bench.row("small up", "upload", small, rounds[1], SMALL_BAR),
            bench.row("small down", "download", small, rounds[1], SMALL_BAR),
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
        rows = measure(Path(folder), large_bytes=LARGE_BYTES, small_files=SMALL_FILES, rounds=(3, ROUNDS))
    print(
        f"S3: one file of {LARGE_BYTES // MIB:,} MiB (3 rounds), {SMALL_FILES:,} of {SMALL_BYTES:,} bytes",
        end="",
    )
    print(f" ({ROUNDS} rounds), medians of interleaved rounds")
    for row in rows:
        verdict = "within" if row.ratio <= row.bar else "OVER"
        memory = "within" if row.peak_bytes <= MEMORY_BAR_BYTES else "OVER"
        committed = f", committed after {row.committed_s:.2f} s" if row.committed_s else ""
        print(
            f"  {row.name:<11}rclone {row.rclone_s:6.2f} s   mlopus {row.mlopus_s:6.2f} s{committed}", end=""
        )
        print(f"   {row.ratio:5.2f} x   {verdict} the bar of {row.bar} x", end="")
        print(f"   peak {row.peak_bytes / 1e6:.0f} MB, {memory} {MEMORY_BAR_BYTES / 1e6:.0f} MB")
