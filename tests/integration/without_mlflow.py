"""An interpreter that has everything this one has installed, except MLflow."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_without_mlflow(folder: Path, code: str, *args: str) -> str:
    """What a snippet prints where the package is not installed.

    Each installed module and its metadata is linked into a folder of its own, those of MLflow left out.
    """
    site = folder / "site-without-mlflow"
    site.mkdir()
    for module in Path(sysconfig.get_path("purelib")).iterdir():
        if not module.name.startswith("mlflow"):
            (site / module.name).symlink_to(module)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *args],
        env={"PYTHONPATH": f"{site}:{ROOT}", "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
