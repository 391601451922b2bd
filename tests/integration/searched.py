"""A real server with awkward runs, models and versions on it, and all of them as the documents of queries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import attrs
import httpx

import mlopus
from mlopus import MlflowApi, Search, or_raise
from mlopus.api.views import records_of
from mlopus.domain.documents import Document, document_of, tie_of
from mlopus.domain.keys import key_of
from mlopus.domain.text import PLAIN
from mlopus.execution.counting import CountingMeter

RUNS = 60
START = datetime(2024, 4, 1, 9, tzinfo=UTC)
TEXTS = (
    *("adam", "Adam", "adamw", "it's", 'say "hi"', "both ' and \"", "back\\slash", "`tick`", "100%", "a_b"),
    *("line\nbreak", "日本 🦊", "0.10", '"true"', "x" * 500, "; -- /*", "null", "[1, 2]", '["adam", 0.1]'),
    *('[{"n": 1}]', "true", "2024-04-01T09:00:00.000000+00:00", "5", "5.0", " blanks ", "C++ (x)"),
)
NUMBERS = ("0.1", "0.1", "0.01", "10", "9", "-5", "1e-05", "0", "-0.0", "1e22", "9007199254740993", "none")
FLOATS = (0.0, -0.0, 0.5, 0.9, 0.9, -1.0, 1e300, 5e-324, "NaN", "Infinity", "-Infinity", 2.0**53)
KEYS = ("opt.name", "opt", "note", "val/acc top-1", "é x", "layers")
NAMES = ("run", "run", "it's", 'a "b"', "100%", "ünï 🦊", "back\\slash")
EXPERIMENTS = ("one", "it's", "back\\slash")
STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")


@attrs.frozen(kw_only=True)
class Searched:
    """What is on the server, by kind, in the order that decides ties; `meter` counts requests."""

    api: MlflowApi
    meter: CountingMeter
    prefix: str
    documents: Mapping[str, list[Document]]

    def search(self, kind: str, query: Any, sorting: Any = None) -> Search[Any]:
        """A search for entities of a kind."""
        find = {
            "experiment": self.api.find_exps,
            "run": self.api.find_runs,
            "model": self.api.find_models,
            "model version": self.api.find_model_versions,
        }
        return find[kind](query, sorting)  # type: ignore[operator]

    def found(self, kind: str, query: Any, sorting: Any = None) -> list[str]:
        """What a search finds of what was made here, as ids; sorted, if no order was asked for."""
        mine = {id_of(document) for document in self.documents[kind]}
        entities = or_raise(self.search(kind, query, sorting).all())
        ids = [name for entity in entities if (name := name_of(entity)) in mine]
        return ids if sorting else sorted(ids)

    def wanted(self, kind: str, query: Any, sorting: Any = None) -> list[str]:
        """What the predicate finds of it."""
        found = or_raise(mlopus.query.find(self.documents[kind], query, sorting))
        return [id_of(d) for d in found] if sorting else sorted(id_of(d) for d in found)


def id_of(document: Mapping[str, Any]) -> str:
    """A document's id, or what stands for it."""
    if "version" in document:
        return f"{document['model']['name']}/{document['version']}"
    return str(document.get("id", document.get("name")))


def name_of(entity: Any) -> str:
    """The same of an entity."""
    if isinstance(entity, mlopus.ModelVersion):
        return f"{entity.model.name}/{entity.version}"
    return entity.name if isinstance(entity, mlopus.Model) else entity.id


def documents_of(entities: list[Any]) -> list[Document]:
    """Entities as queries see them, in the order that decides ties."""
    rows = [records_of(entity, PLAIN) for entity in entities]
    known = [{key_of(record): record for record in records} for records in rows]
    pairs = sorted(
        (tie_of(records[0]), number, document_of(records[0], PLAIN, parents.get))
        for number, (records, parents) in enumerate(zip(rows, known, strict=True))
    )
    return [document for _, _, document in pairs]


def fill(uri: str, cache_dir: Path) -> Searched:
    """Make everything, by requests of our own, and read it back by searches without a condition."""
    prefix = f"searched {uuid.uuid4().hex[:8]}"
    with httpx.Client(base_url=f"{uri}/api/2.0/mlflow/", timeout=60) as client:
        _Making(client, prefix).everything()
    meter = CountingMeter("searches", 0, "off")
    plain = mlopus.connect(uri, cache_dir=cache_dir, cache_metadata_on_read="none")
    tracking = plain.repositories.tracking.metered(meter)
    api = mlopus.MlflowApi(
        tracking=tracking, cache=plain.repositories.cache, workspace=plain.repositories.workspace
    )
    mine = {"$regex": f"^{prefix}"}
    exps = or_raise(api.find_exps({"name": mine}).all())
    runs = or_raise(api.find_runs({"exp.id": {"$in": [exp.id for exp in exps]}}).all())
    models = or_raise(api.find_models({"name": mine}).all())
    versions = or_raise(api.find_model_versions({"model.name": mine}).all())
    found = {"experiment": exps, "run": runs, "model": models, "model version": versions}
    documents = {kind: documents_of(list(entities)) for kind, entities in found.items()}
    return Searched(api=api, meter=meter, prefix=prefix, documents=documents)


class _Making:
    """Speaks to the server without mlopus."""

    def __init__(self, client: httpx.Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._random = Random(7)  # noqa: S311 (a test)

    def everything(self) -> None:
        """Three experiments, their runs, and models of these."""
        exps = [self._experiment(number) for number in range(3)]
        with ThreadPoolExecutor(4) as pool:
            runs = list(pool.map(self._run, [self._run_of(number, exps) for number in range(RUNS)]))
        for number in range(5):
            self._model(number, runs)

    def _experiment(self, number: int) -> str:
        tags = [{"key": "team", "value": TEXTS[number]}, {"key": "n", "value": str(number)}]
        name = f"{self._prefix} {EXPERIMENTS[number]}"
        return str(self._post("experiments/create", name=name, tags=tags)["experiment_id"])

    def _run_of(self, number: int, exps: list[str]) -> dict[str, Any]:
        choose = self._random.choice
        params = {key: choose(TEXTS) for key in self._random.sample(KEYS, 3)}
        tags = {key: choose(TEXTS) for key in self._random.sample((*KEYS, "team"), 3)}
        metrics = {key: choose(FLOATS) for key in self._random.sample(("acc", "loss", "val.acc", "é x"), 3)}
        start = choose((None, *(START + timedelta(milliseconds=each) for each in (0, 1, 2, 5000))))
        return {
            "exp": exps[min(number % 4, 2)],
            "name": choose(NAMES),
            "status": choose(STATUSES),
            "start": start,
            "end": choose((None, START + timedelta(seconds=number % 5))),
            "params": params | {"lr": choose(NUMBERS)},
            "tags": tags | {"mlflow.user": choose(("ann", "bo'b"))},
            "metrics": metrics,
            "deleted": number % 20 == 19,
        }

    def _run(self, run: dict[str, Any]) -> str:
        info = self._post(
            "runs/create",
            experiment_id=run["exp"],
            run_name=run["name"],
            start_time=run["start"] and _ms(run["start"]),
            tags=_pairs(run["tags"]),
        )["run"]["info"]
        run_id = str(info["run_id"])
        metrics = [{"key": k, "value": v, "timestamp": 1, "step": 0} for k, v in run["metrics"].items()]
        self._post("runs/log-batch", run_id=run_id, params=_pairs(run["params"]), metrics=metrics)
        self._post(
            "runs/update", run_id=run_id, status=run["status"], end_time=run["end"] and _ms(run["end"])
        )
        if run["deleted"]:
            self._post("runs/delete", run_id=run_id)
        return run_id

    def _model(self, number: int, runs: list[str]) -> None:
        name = f"{self._prefix} model {number}"
        self._post("registered-models/create", name=name, tags=_pairs({"team": TEXTS[number]}))
        for version in range(1, 13 if number == 0 else 3):
            run_id = None if version == 2 else runs[self._random.randrange(RUNS)]
            tags = _pairs({"stage": TEXTS[version], "n": str(version)})
            source = f"s3://bucket/{number}/{version}"
            self._post("model-versions/create", name=name, source=source, run_id=run_id, tags=tags)
        for alias, version in (("champion", 1), ("latest-one", 2), ("second", 2))[: number + 1]:
            self._post("registered-models/alias", name=name, alias=alias, version=str(version))

    def _post(self, request: str, **body: Any) -> Any:
        reply = self._client.post(request, json={k: v for k, v in body.items() if v is not None})
        assert reply.is_success, (request, body, reply.text)
        return reply.json()


def _pairs(texts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
