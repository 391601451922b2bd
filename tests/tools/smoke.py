"""Build the wheel, install it where nothing else is, and do the main job with it.

The job is done twice, the second time without the network: every connection tried fails the check.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The tour in an interpreter that ends at the first attempt to look up or reach a host, on any thread.
OFFLINE_TOUR = """
import os, runpy, sys
def refuse(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}:
        os.write(2, f"the tour wanted the network: {event} {args}\\n".encode())
        os._exit(1)
sys.addaudithook(refuse)
sys.argv = ["mlopus", "tour"]
runpy.run_module("mlopus", run_name="__main__", alter_sys=True)
"""


def main() -> None:
    """Leave the wheel in `dist/`; end with exit code 1 at the first thing that does not work."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(dist), str(ROOT), cwd=ROOT)
    (wheel,) = dist.glob("mlopus-*.whl")
    with tempfile.TemporaryDirectory() as folder:
        home, work, offline = (Path(folder, name) for name in ("environment", "work", "offline"))
        work.mkdir()
        offline.mkdir()
        venv.create(home, with_pip=True)
        python = str(home / "bin" / "python")
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel), cwd=work)
        run(python, "-c", "import mlopus; print('imported', mlopus.__file__)", cwd=work)
        run(python, "-m", "mlopus", "tour", cwd=work)
        run(python, "-c", OFFLINE_TOUR, cwd=offline)
    print(f"the installed wheel works: {wheel.relative_to(ROOT)}")


def run(*command: str, cwd: Path) -> None:
    """Run, showing what is printed; a failure has already said why."""
    done = subprocess.run(command, cwd=cwd, check=False)
    if done.returncode != 0:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(command[:6])}")


if __name__ == "__main__":
    main()
