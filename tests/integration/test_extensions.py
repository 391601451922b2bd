"""Tracking stores of other packages: found by the scheme of the URI, refused in words if broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mlopus
from mlopus.api.extensions import GROUP

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "example_repository"

# Run where the example is installed: the main job, offline too, from a pickled API.
MAIN_JOB = """
import pickle, sys
from pathlib import Path
import mlopus
from tests.integration.main_job import PARAMS, do_main_job
folder = Path(sys.argv[1])
place, cache = f"host{folder}/store", folder / "cache"
api = mlopus.connect(f"audited://ada:secret@{place}", cache_dir=cache)
assert "audited_tracking.store" in sys.modules
api = pickle.loads(pickle.dumps(api))
offline = mlopus.connect(f"audited://{place}", cache_dir=cache, offline_mode=True)
job = do_main_job(api, offline, folder)
found = mlopus.or_raise(job.offline.find_runs({"exp.name": job.name}).first())
assert (found.id, found.params) == (job.run_id, PARAMS), found
assert "secret" not in repr(api), api
audited = (folder / "store" / "audit.log").read_text().splitlines()
print(type(api.repositories.tracking).__name__, len(audited))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which pip has installed the example; its build needs nothing from the network."""
    target = tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--target", str(target))
    subprocess.run([*pip, *offline, str(EXAMPLE)], check=True, capture_output=True, text=True)
    return target


def test_an_installed_package_serves_its_scheme(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", MAIN_JOB, str(tmp_path)],
        env={"PYTHONPATH": f"{installed}:{ROOT}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    kind, changes = done.stdout.split()
    assert kind == "AuditedTracking"
    assert int(changes) > 5


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def install(site: Path, package: str, value: str, code: str) -> None:
    """Put a package there as an installer leaves it: a module, and what its metadata registers."""
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{package[:4]} = {value}\n")
    (site / f"{value.partition(':')[0]}.py").write_text(code)


def test_a_scheme_that_two_packages_claim_is_served_by_none(site: Path) -> None:
    install(site, "acme-one", "acme_one:make", "")
    install(site, "acme-two", "acme_two:make", "")

    with pytest.raises(ValueError, match=r"acme-one \(acme_one:make\) and acme-two .*uninstall all but one"):
        mlopus.connect("acme://x")


def test_a_package_that_cannot_be_loaded_is_named_with_its_error(site: Path) -> None:
    install(site, "bent", "bent_store:make", "import no_such_thing")

    with pytest.raises(ValueError, match=r"package bent .*cannot be loaded: ModuleNotFound.*no_such_thing"):
        mlopus.connect("bent://x")


def test_an_entry_point_that_is_no_function_is_named(site: Path) -> None:
    install(site, "cold", "cold_store:make", "make = 3")

    with pytest.raises(ValueError, match=r"package cold .*'cold_store:make' is not a function"):
        mlopus.connect("cold://x")


def test_a_factory_that_gives_something_else_is_told_what_is_missing(site: Path) -> None:
    install(site, "dull", "dull_store:make", "def make(uri, settings): return uri")
    api = mlopus.connect("dull://x")

    with pytest.raises(TypeError, match=r"'dull' gave str, which is no tracking store: .*metric_history"):
        api.get_run("0")


def test_a_scheme_that_nobody_serves_is_refused_without_its_secret() -> None:
    with pytest.raises(ValueError, match=f"unknown scheme 'gopher'.*{GROUP}") as refused:
        mlopus.connect("gopher://ada:secret@host/x")

    assert "secret" not in str(refused.value)
