"""Make the checkout's own environment, `.venv`, and bring it up to date with pyproject.toml.

Needs nothing but Python and pip, and does nothing if nothing changed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Create, install, and stamp; or see by the stamp that all is there."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        sys.exit(f"this is Python {sys.version.split()[0]}: set PYTHON to a Python from {wanted} on")
    home = ROOT / ".venv"
    python, pip, stamp = home / "bin" / "python", home / "bin" / "pip", home / "installed-from"
    state = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == state:
        return
    if not (python.exists() and pip.exists()):  # none, one that was cut short, or its Python is gone
        run(sys.executable, "-m", "venv", "--clear", str(home))
    # To compile all modules takes longer than the rest: those that are imported are compiled then.
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")
    run(str(python), "-m", "pip", "install", *options, "--editable", ".[dev]")
    stamp.write_text(state)


def run(*command: str) -> None:
    """Run in the checkout; a failure has already said why."""
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
