"""What searching and filling a cache of many runs costs: `python -m tests.benchmarks.search --runs 100000`.

`--curve 1000 10000 100000` shows what each search costs against the size of the cache.

Each run has 50 values: 20 params, 20 metrics, 10 tags. A search is timed to its first 100 entities,
in a fresh process whose memory is measured too, beside the peer: the query's predicate on every row.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

import attrs
from immutabledict import immutabledict

from mlopus.domain.documents import document_of
from mlopus.domain.origin import Origin
from mlopus.domain.records import ExperimentRecord, RunRecord
from mlopus.domain.status import RunStatus
from mlopus.domain.text import PLAIN
from mlopus.errors import MlopusError
from mlopus.plans.search import SearchSpec
from mlopus.query import parse, parse_sorting
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.result import Result, Success

ORIGIN: Final = Origin.of("http://benchmark")
EXPS: Final = tuple(ExperimentRecord(id=str(number), name=f"exp {number}") for number in range(20))
START: Final = datetime(2024, 1, 1, tzinfo=UTC)
BATCH: Final = 1000
ROUNDS: Final = 7

Asked = tuple[dict[str, Any], list[tuple[str, int]]]
SEARCHES: Final[dict[str, Asked]] = {
    "equality, 1 %": ({"tags.a.b": "x7"}, []),
    "equality, 10 %, by time": ({"params.lr": 0.1}, [("start_time", -1)]),
    "range, 1 %": ({"metrics.acc": {"$gt": 0.99}}, []),
    "by time, newest first": ({}, [("start_time", -1)]),
    "by a metric of all, greatest first": ({}, [("metrics.acc", -1)]),
    "by a metric of all, least first": ({}, [("metrics.acc", 1)]),
    "by a metric of 90 %, greatest first": ({}, [("metrics.f1", -1)]),
    "by a metric of 90 %, least first": ({}, [("metrics.f1", 1)]),
    "by a metric of 99 %, least first": ({}, [("metrics.auc", 1)]),
    "three conditions, by time": (
        {"exp.id": {"$in": ["1", "2"]}, "metrics.acc": {"$gt": 0.9}, "params.opt.name": "adam"},
        [("start_time", -1)],
    ),
}
PEER: Final = "range, 1 %"
THREE: Final = "three conditions, by time"
DOCUMENTS: Final = 10_000


@attrs.frozen(kw_only=True)
class Found:
    """A search: what it gave, and how long that took."""

    name: str
    count: int
    median_ms: float


def make_runs(count: int, seed: int = 1) -> Iterator[tuple[RunRecord, ...]]:
    """Batches of runs, the same for the same seed."""
    random = Random(seed)  # noqa: S311 (no secret)
    for start in range(0, count, BATCH):
        yield tuple(_run(number, random) for number in range(start, min(start + BATCH, count)))


def _run(number: int, random: Random) -> RunRecord:
    params = {f"p{each}": str(random.random()) for each in range(18)}
    metrics = {f"m{each}": random.random() for each in range(17)} | {"acc": random.random()}
    tags = {f"t{each}": f"v{random.randrange(50)}" for each in range(9)}
    partial = {"f1": random.random()} if number % 10 else {"f2": 0.0}
    nearly = {"auc": random.random()} if number % 100 else {"auc2": 0.0}
    return RunRecord(
        id=uuid.UUID(int=random.getrandbits(128)).hex,
        exp_id=random.choice(EXPS).id,
        name=f"run {number}",
        status=RunStatus.FINISHED,
        start_time=START + timedelta(seconds=random.randrange(10**8)),
        artifact_uri="s3://bucket/runs",
        params=immutabledict(
            params | {"lr": str(random.randrange(1, 11) / 10), "opt.name": random.choice(("adam", "sgd"))}
        ),
        metrics=immutabledict(metrics | partial | nearly),
        tags=immutabledict(tags | {"a.b": f"x{random.randrange(100)}"}),
    )


def fill(folder: str, count: int, seed: int = 1) -> tuple[float, float]:
    """Put runs into a cache; answers how many new ones a second at the end, and how many refreshed."""
    cache = SqliteMetadataCache(folder, ORIGIN)
    cache.put(EXPS, START).unwrap()
    batch: tuple[RunRecord, ...] = ()
    new_s = 0.0
    for batch in make_runs(count, seed):
        new_s = _seconds(partial(cache.put, batch, START))
    changed = tuple(
        attrs.evolve(run, metrics=run.metrics | {f"m{each}": -run.metrics[f"m{each}"] for each in range(17)})
        for run in batch
    )
    refreshed_s = _seconds(partial(cache.put, changed, START + timedelta(days=1)))
    cache.close()
    return len(batch) / new_s, len(batch) / refreshed_s


def _seconds(act: Callable[[], Result[object, MlopusError]]) -> float:
    start = time.perf_counter()
    act().unwrap()
    return time.perf_counter() - start


def spec_of(asked: Asked) -> SearchSpec:
    """The search, for its first 100 entities, in all experiments."""
    query, sorting = asked
    return SearchSpec(
        kind="run",
        query=parse(query).unwrap(),
        sorting=parse_sorting(sorting).unwrap(),
        exp_ids=tuple(exp.id for exp in EXPS),
        page_size=100,
    )


def search(folder: str) -> tuple[tuple[Found, ...], float]:
    """Every search, and by how many megabytes they made this process grow."""
    cache = SqliteMetadataCache(folder, ORIGIN)
    found: list[Found] = []
    memory = [_resident_mb()]
    for name, asked in SEARCHES.items():
        asking = spec_of(asked)
        count = len(cache.find(asking).unwrap().records)
        times = [_seconds(partial(cache.find, asking)) * 1e3 for _ in range(ROUNDS)]
        memory.append(_resident_mb())
        found.append(Found(name=name, count=count, median_ms=statistics.median(times)))
    cache.close()
    return tuple(found), max(memory) - memory[0]


def _resident_mb() -> float:
    """How much memory this process has."""
    told = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(os.getpid())], check=True, capture_output=True, text=True
    )
    return int(told.stdout) / 1024


def by_predicate(folder: str) -> float:
    """How long the peer takes: each row read, and its document asked; in milliseconds."""
    cache = SqliteMetadataCache(folder, ORIGIN)
    everything = attrs.evolve(spec_of(({}, [])), page_size=BATCH)
    wanted = spec_of(SEARCHES[PEER]).query

    def scan() -> Result[None, MlopusError]:
        page = cache.find(everything).unwrap()
        while True:
            for record in page.records:
                wanted.matches(document_of(record, PLAIN))
            if page.next_token is None:
                return Success(None)
            page = cache.find(everything, page.next_token).unwrap()

    took = _seconds(scan) * 1e3
    cache.close()
    return took


def predicate_alone(count: int) -> tuple[int, float]:
    """How many of so many documents a query of three conditions finds, and in how many milliseconds."""
    documents = [document_of(run, PLAIN) for batch in make_runs(count) for run in batch]
    matches = spec_of(SEARCHES[THREE]).query.matches
    counts: list[int] = []

    def scan() -> Result[None, MlopusError]:
        counts.append(sum(map(matches, documents)))
        return Success(None)

    took = [_seconds(scan) * 1e3 for _ in range(ROUNDS)]
    return counts[0], statistics.median(took)


def grown(sizes: Sequence[int], folder: str) -> dict[int, tuple[Found, ...]]:
    """Every search at each size of one cache that grows."""
    found: dict[int, tuple[Found, ...]] = {}
    held = 0
    for size in sizes:
        fill(folder, size - held, seed=size)
        held = size
        found[size] = _searched_elsewhere(folder)[0]
    return found


def _searched_elsewhere(folder: str) -> tuple[tuple[Found, ...], float]:
    """As `search`, in a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.search", "--in", folder]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return tuple(Found(**row) for row in told["found"]), told["grown_mb"]


def curve(sizes: Sequence[int]) -> None:
    """Print what each search costs against how many runs there are."""
    with tempfile.TemporaryDirectory() as folder:
        found = grown(sizes, folder)
    print("".join(f"{size:12,}" for size in sizes), " runs: milliseconds to the first 100")
    for number, name in enumerate(SEARCHES):
        print("".join(f"{found[size][number].median_ms:12.2f}" for size in sizes), f" {name}")


def main(runs: int = 20_000) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        new, refreshed = fill(folder, runs)
        print(f"{runs:,} runs of 50 values")
        print(f"  {new:9,.0f} new, {refreshed:,.0f} refreshed a second, in a batch of {BATCH}")
        found, grown_mb = _searched_elsewhere(folder)
        for row in found:
            print(f"  {row.median_ms:9.2f} ms  {row.name}")
        ours = next(row.median_ms for row in found if row.name == PEER)
        print(f"  {grown_mb:9.1f} MB more memory")
        print(f"  {by_predicate(folder) / ours:9,.0f} x  the predicate on every row, for '{PEER}'")
    alone = predicate_alone(DOCUMENTS)[1]
    print(f"  {alone:9.2f} ms  the predicate alone, three conditions, {DOCUMENTS:,} documents")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--curve", type=int, nargs="+", help="instead: the searches at each of these sizes")
    parser.add_argument("--in", dest="folder", default=None, help="a filled cache, to be searched")
    arguments = parser.parse_args()
    if arguments.curve is not None:
        curve(arguments.curve)
    elif arguments.folder is None:
        main(arguments.runs)
    else:
        rows, grown_mb = search(arguments.folder)
        print(json.dumps({"found": [attrs.asdict(row) for row in rows], "grown_mb": grown_mb}))
