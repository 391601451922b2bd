"""One side of the S3 benchmark, in a process of its own: `python -m tests.benchmarks.s3_side …`.

Prints the seconds that the transfer took, and the most memory that the process ever had.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from immutabledict import immutabledict
from obstore.store import S3Store

from mlopus.domain.manifest import ArtifactSubject
from mlopus.domain.origin import Origin
from mlopus.plans.steps import CommitTree, UploadFile, UploadFiles
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.stores.obstore_store import ObjectStore
from mlopus.repositories.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from obstore import ObjectMeta

ID: Final = "any"
SECRET: Final = "body"  # noqa: S105 (the server lets everybody in)


def upload(store: ObjectStore, url: str, folder: str) -> float:
    """Send a folder; its files were hashed before, as planning does."""
    workspace = LocalWorkspace(f"{folder}-temp")
    facts = workspace.source_facts(folder).unwrap()
    step = UploadFiles(
        store_url=url,
        files=tuple(UploadFile(file=file, reason="new") for file in facts.files),
        kept=(),
        left=(),
        empty_folders=(),
        is_file=False,
        move=False,
        binds="sent",
    )
    source = workspace.source(folder)
    began = time.perf_counter()
    store.upload(step, source).unwrap()
    return time.perf_counter() - began


def download(store: ObjectStore, url: str, folder: str) -> tuple[float, float]:
    """List and fetch into a cache; then commit, which waits until the disk has all of it."""
    cache = DiskArtifactCache(folder, Origin.of(url))
    began = time.perf_counter()
    tree = store.list_tree(url).unwrap()
    staging = cache.stage(url).unwrap()
    store.fetch(url, tree.files, staging).unwrap()
    fetched = time.perf_counter() - began
    staging.commit(
        CommitTree(
            staged="staged",
            subject=ArtifactSubject(kind="url", key=url),
            path="",
            name="model",
            is_file=False,
            empty_folders=(),
            store_url=url,
            validators=immutabledict(),
            taken_at=SystemClock().now(),
            binds="tree",
        )
    ).unwrap()
    return fetched, time.perf_counter() - began


def download_alone(uri: str, url: str, folder: str) -> float:
    """The same requests and files by obstore alone."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    began = time.perf_counter()
    store = S3Store(
        bucket,
        endpoint=uri,
        access_key_id=ID,
        secret_access_key=SECRET,
        client_options={"allow_http": True},
    )
    listed: Iterable[Sequence[ObjectMeta]] = store.list(key)  # pyright: ignore[reportUnknownMemberType] (of its other form)
    paths = [found["path"] for page in listed for found in page]
    Path(folder).mkdir()

    def bring(path: str) -> None:
        with open(f"{folder}/{path.rpartition('/')[2]}", "xb", buffering=0) as file:
            file.writelines(store.get(path).stream(min_chunk_size=1024 * 1024))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bring, paths))
    return time.perf_counter() - began


def peak_bytes() -> int:
    """The most memory this process had; on Linux without what the one had that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        told = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert told is not None
        return int(told[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes where there is no /proc


def main(side: str, action: str, uri: str, url: str, folder: str) -> None:
    """Do it, and print what was measured as JSON."""
    given = {"endpoint": uri, "access_key_id": ID, "secret_access_key": SECRET}
    store = ObjectStore(storage_options=immutabledict({"s3": given}))
    committed_s = 0.0
    if side == "obstore":
        seconds = download_alone(uri, url, folder)
    elif action == "upload":
        seconds = upload(store, url, folder)
    else:
        seconds, committed_s = download(store, url, folder)
    print(json.dumps({"seconds": seconds, "committed_s": committed_s, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:6])
