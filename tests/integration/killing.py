"""Kills a process again and again, and tells what was left."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path


def killed(folder: Path, scenario: str, *, random_kills: int, most_points: int = 1000) -> dict[str, int]:
    """What came of killing an act at points and at random moments; the seed is printed."""
    seed = random.randrange(2**32)  # noqa: S311 (nothing is kept secret)
    print(f"{scenario}: seed {seed}")  # noqa: T201 (to try the same again)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.integration.kills",
            scenario,
            str(folder / "state"),
            str(seed),
            str(random_kills),
            str(most_points),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)  # noqa: T201 (how many kills, and what they left)
    return json.loads(done.stdout)
