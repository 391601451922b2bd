"""The S3 benchmark moves the same on both sides; how fast it is, no test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.s3 import BARS, measure

if TYPE_CHECKING:
    from pathlib import Path


def test_every_row_is_measured_on_both_sides(tmp_path: Path) -> None:
    rows = measure(tmp_path, large_bytes=10 * 1024 * 1024 + 1, small_files=20, rounds=(1, 1))

    assert [row.name for row in rows] == list(BARS)
    assert all(row.rclone_s > 0 and row.mlopus_s > 0 and row.peak_bytes > 0 for row in rows)
    downloads = [not row.name.endswith("up") for row in rows]
    assert [row.committed_s > row.mlopus_s for row in rows] == downloads
    assert [row.obstore_s is not None for row in rows] == downloads
