"""What users do with a store, on real ones: publish, clean, get, verify, place, and compare every byte."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi
from mlopus.handles.raising.run import RaisingRun
from mlopus.plans.plan import Plan
from mlopus.repositories.stores.obstore_sending import PART_BYTES
from mlopus.testing.contracts.trees import AWKWARD
from tests.integration.main_job import write_model
from tests.servers.azurite import Azurite, make_container
from tests.servers.file_servers import FileServer
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.mlflow_server import MlflowServer
from tests.servers.object_stores import BUCKET, S3Server, giving_parts

MIB = 1024 * 1024


@attrs.frozen(kw_only=True)
class Place:
    """A store, as an API is told of it."""

    url: str
    options: Mapping[str, Any]

    def api(self, folder: Path) -> Any:
        """An API whose runs keep their artifacts there; raising."""
        return mlopus.connect(
            str(folder / "tracking"),
            cache_dir=str(folder / "cache"),
            storage_options=self.options,
            progress="off",
        ).raising


@pytest.fixture
def s3(s3_server: S3Server) -> Place:
    return Place(url=f"s3://{BUCKET}/{uuid.uuid4().hex}", options={"s3": s3_server.options})


@pytest.fixture
def gs(gcs_server: Loopback) -> Place:
    options = {"base_url": gcs_server.uri, "skip_signature": True}
    return Place(url=f"gs://{BUCKET}/{uuid.uuid4().hex}", options={"gs": options})


@pytest.fixture
def sftp(sftp_server: FileServer) -> Place:
    return Place(url=f"{sftp_server.url}/{uuid.uuid4().hex}", options={"sftp": sftp_server.options})


@pytest.fixture
def az(azurite: Azurite) -> Place:
    container = uuid.uuid4().hex
    make_container(azurite, container)
    return Place(url=f"az://{container}/runs", options={"az": azurite.options})


@pytest.fixture(params=["s3", "gs", "sftp", pytest.param("az", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file, by path."""
    found: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def there_and_back(place: Place, source: Path, folder: Path) -> None:
    """Every step of it, the plan's totals compared with what moved."""
    api = place.api(folder)
    run = api.create_run(api.create_exp("e"), "r", repo=place.url)
    size_bytes, sent = size_of(source), contents(source)

    plan = api.plan.log_run_artifact(run, source, "model", use_cache=False).unwrap()
    published = api.execute(plan)
    api.clean_cached_run_artifact(run)
    fetching = api.plan.get_run_artifact(run, "model").unwrap()
    fetched = api.execute(fetching)
    check = api.verify(run)
    api.place_run_artifact(run, folder / "placed", "model")

    assert (plan.totals.up_bytes, published.up_bytes) == (size_bytes, size_bytes)
    assert (fetching.totals.down_bytes, fetched.down_bytes) == (size_bytes, size_bytes)
    assert contents(Path(fetched.value)) == sent
    assert contents(folder / "placed") == sent
    assert check.is_sound


def test_a_model_with_awkward_names_and_empty_files(place: Place, tmp_path: Path) -> None:
    source = Path(write_model(tmp_path / "source"))
    for name, content in AWKWARD.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    (source / "empty").write_bytes(b"")

    there_and_back(place, source, tmp_path)


def test_two_hundred_small_files(place: Place, tmp_path: Path) -> None:
    there_and_back(place, small_files(tmp_path / "source", 200), tmp_path)


def test_two_thousand_small_files_on_s3(s3: Place, tmp_path: Path) -> None:
    there_and_back(s3, small_files(tmp_path / "source", 2000), tmp_path)


@pytest.mark.slow
def test_two_thousand_small_files_everywhere(place: Place, tmp_path: Path) -> None:
    there_and_back(place, small_files(tmp_path / "source", 2000), tmp_path)


def test_nothing_is_published_below_a_file_nor_a_file_over_a_folder(place: Place, tmp_path: Path) -> None:
    api = place.api(tmp_path)
    refuse_what_no_folder_can_hold(api, api.create_run(api.create_exp("e"), "r", repo=place.url), tmp_path)


def test_nor_in_memory(tmp_path: Path) -> None:
    api = mlopus.testing.in_memory().raising
    refuse_what_no_folder_can_hold(api, api.create_run(api.create_exp("e"), "r"), tmp_path)


def refuse_what_no_folder_can_hold(api: Any, run: RaisingRun, folder: Path) -> None:
    """Publish at all the paths at which a name would be a file and a folder; all others are published."""
    file = folder / "source"
    file.write_bytes(b"1")
    model = Path(write_model(folder / "model"))
    api.log_run_artifact(run, file, "a/file")
    api.log_run_artifact(run, model, "a/model/x")

    for source, path in ((file, "a/file/b"), (model, "a/file/b/c"), (model, "a/file"), (file, "a/model")):
        with pytest.raises(mlopus.errors.MlopusError) as refused:
            api.log_run_artifact(run, source, path)
        has_folders = run.repo.startswith("sftp:") and path.startswith("a/file/")
        assert has_folders or isinstance(refused.value, mlopus.errors.AlreadyExists), path
    api.log_run_artifact(run, file, "a/model/y/z")

    api.clean_cached_run_artifact(run)
    root = Path(api.get_run_artifact(run))
    assert sorted(path.name for path in (root / "a").iterdir()) == ["file", "model"]
    assert contents(root / "a/model/x") == contents(model)


@pytest.mark.parametrize("size_bytes", [64 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.slow)])
def test_a_large_file_on_s3(s3: Place, tmp_path: Path, size_bytes: int) -> None:
    there_and_back(s3, large_file(tmp_path / "source", size_bytes), tmp_path)


def test_a_plan_counts_the_requests_that_parts_and_ranges_take(
    s3: Place, s3_server: S3Server, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    source, stored = tmp_path / "source", counting_proxy(s3_server.uri, spoil=giving_parts)
    source.mkdir()
    for size_bytes in (0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 3 * PART_BYTES - 1):
        (source / f"{size_bytes}.bin").write_bytes(bytes(size_bytes))
    api = Place(url=s3.url, options={"s3": {**s3_server.options, "endpoint": stored.uri}}).api(tmp_path)
    run = api.create_run(api.create_exp("e"), "r", repo=s3.url)
    copies = mlopus.connect(str(tmp_path / "copies"), cache_dir=str(tmp_path / "theirs"), progress="off")

    def counted(plan: Plan, **to: MlflowApi) -> tuple[int, int, int]:
        stored.forget()
        receipt = api.execute(plan, **to)
        return plan.totals.requests, receipt.requests, len(stored.requests)

    up = counted(api.plan.log_run_artifact(run, source, "model", use_cache=False).unwrap())
    down = counted(api.plan.get_run_artifact(run, "model").unwrap())
    copied = counted(api.plan.copy_run(run, to=copies).unwrap(), to=copies)

    # up: three files in one request each, the others begun, 2 or 3 parts and completed; down: by ranges
    assert up == (3 + 4 + 4 + 5,) * 3
    assert down == copied == (2 + 2 + 2 + 3 + 4,) * 3


@pytest.mark.slow
@pytest.mark.parametrize("place", ["sftp", "az"], indirect=True)
def test_a_large_file_elsewhere(place: Place, tmp_path: Path) -> None:
    """Not on the emulator of Google's store, which takes minutes to add up so many bytes."""
    there_and_back(place, large_file(tmp_path / "source", 64 * MIB), tmp_path)


def test_a_folder_of_a_web_server_is_read_and_never_written(http_server: FileServer, tmp_path: Path) -> None:
    root = uuid.uuid4().hex
    served = Path(write_model(http_server.folder / root / "model"))
    api = Place(url=f"{http_server.url}/{root}", options={}).api(tmp_path)
    run = api.create_run(api.create_exp("e"), "r", repo=f"{http_server.url}/{root}")

    got = Path(api.get_run_artifact(run, "model"))

    assert contents(got) == contents(served)
    assert api.verify(run).is_sound
    with pytest.raises(mlopus.errors.MlopusError) as refused:
        api.log_run_artifact(run, served, "other")
    assert isinstance(cause_of(refused.value), mlopus.errors.Unsupported)


def test_artifacts_of_a_server_that_serves_none_go_straight_to_s3(
    mlflow_s3_server: MlflowServer, s3_server: S3Server, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    source = Path(write_model(tmp_path / "source"))
    asked = counting_proxy(mlflow_s3_server.uri)
    stored = counting_proxy(s3_server.uri)
    api = mlopus.connect(
        asked.uri,
        cache_dir=str(tmp_path / "cache"),
        storage_options={"s3": {**s3_server.options, "endpoint": stored.uri}},
        progress="off",
    ).raising
    run = api.start_run(api.create_exp(uuid.uuid4().hex), "r")
    size_bytes = size_of(source)

    model = api.create_model(f"m-{uuid.uuid4().hex}")
    version = api.log_model_version(model, run, source, "model", use_cache=False)
    receipt = api.execute(api.plan.get_model_artifact(version).unwrap())

    assert run.repo.startswith(f"s3://{BUCKET}/mlflow/")
    assert contents(Path(receipt.value)) == contents(source)
    assert receipt.down_bytes == size_bytes
    assert not any("artifacts" in call for call in asked.calls)
    assert sum(len(request.body) for request in stored.requests if request.method == "PUT") == size_bytes


def test_schemes_can_be_mapped_to_other_stores(s3: Place, s3_server: S3Server, tmp_path: Path) -> None:
    """As the predecessor's `use_scheme`, and `map_scheme` for some of them."""
    source = Path(write_model(tmp_path / "source"))
    api = mlopus.connect(
        str(tmp_path / "tracking"),
        cache_dir=str(tmp_path / "cache"),
        storage_options={"s3": s3_server.options},
        scheme_map={"(dbfs|hdfs)": "s3", "archive.*": "memory"},
        progress="off",
    ).raising
    exp = api.create_exp("e")
    path = s3.url.removeprefix("s3://")
    mapped = api.create_run(exp, "a", repo=f"hdfs://{path}")
    plain = api.create_run(exp, "b", repo=s3.url)

    api.log_run_artifact(mapped, source, "model", use_cache=False)

    assert contents(Path(api.get_run_artifact(plain, "model"))) == contents(source)


def cause_of(error: mlopus.errors.MlopusError) -> mlopus.errors.MlopusError:
    return error.cause if isinstance(error, mlopus.errors.ExecutionStopped) else error


def small_files(folder: Path, count: int) -> Path:
    for number in range(count):
        path = folder / f"{number % 20:02}" / f"{number:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(4096))
    return folder


def large_file(folder: Path, size_bytes: int) -> Path:
    folder.mkdir()
    with (folder / "weights.bin").open("wb") as file:
        for _ in range(size_bytes // MIB):
            file.write(os.urandom(MIB))
    return folder
