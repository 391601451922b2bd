"""One side of the S3 benchmark, in a process of its own: `python -m tests.benchmarks.s3_side …`.

Prints the seconds that the transfer took, and the most memory that the process ever had.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path

from immutabledict import immutabledict

from mlopus.domain.manifest import ArtifactSubject
from mlopus.domain.origin import Origin
from mlopus.plans.steps import CommitTree, UploadFile, UploadFiles
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.stores.obstore_store import ObjectStore
from mlopus.repositories.system_clock import SystemClock


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


def peak_bytes() -> int:
    """The most memory this process had; on Linux without what the one had that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        told = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert told is not None
        return int(told[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes where there is no /proc


def main(action: str, uri: str, url: str, folder: str) -> None:
    """Do it, and print what was measured as JSON."""
    given = {"endpoint": uri, "access_key_id": "any", "secret_access_key": "body"}
    store = ObjectStore(storage_options=immutabledict({"s3": given}))
    committed_s = 0.0
    if action == "upload":
        seconds = upload(store, url, folder)
    else:
        seconds, committed_s = download(store, url, folder)
    print(json.dumps({"seconds": seconds, "committed_s": committed_s, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:5])
