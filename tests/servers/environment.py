"""The virtual environment of the real MLflow server, made once and shared by everything that tests.

It stays apart from the environment of mlopus, so that the two may be of different versions.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
from filelock import FileLock


@attrs.frozen(kw_only=True)
class Mlflow:
    """A version of MLflow, and what its server needs.

    The full `mlflow` wheel is twice the size. These are the parts of it that a server needs, in the
    ranges that mlflow itself declares; scikit-learn is there for the model tests.
    """

    version: str
    requirements: tuple[str, ...]
    name: str = "mlflow"


MLFLOW_3 = Mlflow(
    version="3.17.2",
    requirements=(
        "mlflow-skinny==3.17.2",
        "aiohttp>=3.7,<4",
        "alembic>=1.10.1,<2",
        "flask<4",
        "flask-cors<7",
        "flask-wtf<2",  # serves the basic-auth app
        "numpy<3",
        "pandas<4",
        "scikit-learn<2",
        "sqlalchemy>=2,<3",
    ),
)
MLFLOW_3_S3 = attrs.evolve(MLFLOW_3, requirements=(*MLFLOW_3.requirements, "boto3<2"))
"""The same, able to keep artifacts in S3."""

MLFLOW_2 = Mlflow(
    version="2.22.5",
    requirements=(
        "mlflow-skinny==2.22.5",
        "alembic>=1.10,<2",
        "docker<8",
        "flask<4",
        "graphene<4",
        "gunicorn<24",
        "jinja2<4",
        "numpy<3",
        "pandas<3",
        "scikit-learn<2",
        "sqlalchemy>=2,<2.1",  # 2.1 removed a class that MLflow 2 imports
    ),
)
PREDECESSOR = Mlflow(
    name="mlopus",
    version="1.6.3",
    requirements=("mlopus==1.6.3", "mlflow-skinny==2.22.5"),
)
"""mlOpus 1.x, which is no server but a client: what it writes is to be read."""

FOLDER = Path(__file__).resolve().parents[2] / ".servers"


def server_python(mlflow: Mlflow = MLFLOW_3) -> Path:
    """Give the Python that has this MLflow installed, making its environment if it is not there yet.

    The first call takes as long as pip does. Calls from other processes wait for it.
    """
    home = FOLDER / f"{mlflow.name}-{mlflow.version.rpartition('.')[0]}-{_key(mlflow)}"
    python = home / "bin" / "python"
    if python.exists():
        return python
    FOLDER.mkdir(exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not python.exists():
            _make(home, mlflow)
    return python


def _key(mlflow: Mlflow) -> str:
    """Tell environments apart by all that decides what is in them."""
    parts = (*mlflow.requirements, sys.version, sys.base_prefix)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _make(home: Path, mlflow: Mlflow) -> None:
    """Install under another name, then rename: a folder of the final name is always complete.

    The scripts in `bin` keep the other name in their first line, so only `python -m` is used.
    """
    building = home.with_name(f"{home.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(building))
    python = str(building / "bin" / "python")
    # To compile all modules takes longer than the rest: the few that a server imports are compiled then.
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")
    _run(python, "-m", "pip", "install", *options, *mlflow.requirements)
    building.rename(home)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"could not install what the tests talk to: {' '.join(command)}\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)


if __name__ == "__main__":
    with ThreadPoolExecutor() as pool:
        list(pool.map(server_python, (MLFLOW_3, MLFLOW_2, PREDECESSOR)))
