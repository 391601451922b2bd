"""What MLflow's own client writes to a server for the tests of reading it, odd in every way it takes."""

from __future__ import annotations

from typing import Any

import attrs

from mlopus import MlflowApi
from tests.integration.stores import new_name
from tests.integration.written_once import written_once
from tests.servers.mlflow_server import MlflowServer

TEXTS = (
    *("", " ", " padded ", "\n", "two\r\nlines", "tab\t", "\x01", "\u2028", "漢😀", "é e\u0301", "x" * 6000),
    *("0.10", "1E5", "1e3", "-0", "00", "5", "0.5", "1_000", "+1", "9" * 5000, "1e999", ".5"),
    *("True", "None", "null", "true", "nan", "NaN", "Infinity", "-Infinity", "inf"),
    *("{}", '{"a": 1}', "[1, 2]", "[1,2]", '["a", null]', "[" * 300 + "]" * 300, '[{"a": {"b": [1]}}]', "["),
    *('"quoted"', '"5"', '"', "'", "it's", "it''s", '\\"', "\\ud800", '"\\ud800"', "\\", "a\\nb", "%41", "`"),
    *("2024-04-01", "2024-04-01T09:00:00.000000+00:00", "2024-04-01T09:00:00Z"),
)
"""Texts that something might read as another value, and write back as another text."""
KEYS = (
    *("a", "a.b", "a.b.c", "x.y", "x", "deep.er.and.deeper", "1", "-", "_", "..a", "a..b", "trailing.", ".b"),
    *("slashes/in/it", "slash/and.dot", "with space", "Größe.漢", "k" * 250, "d." * 124 + "end", "co:lon"),
    *("mlflow", "mlflow.", "$set", "NaN", "None", "params.x", "exp.id"),
)
"""Keys; a server that does not take one says so, and the others stay."""
NAME_PART = """ /odd: Größe 'single' "double" 漢😀 #1 %41 ?q=1 \\ .. end"""

WRITE = """
import os
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
import mlflow, mlflow.data, mlflow.sklearn, numpy
from mlflow.entities import Metric, Param, RunTag
from sklearn.linear_model import LinearRegression
client = mlflow.MlflowClient()
is_3 = mlflow.__version__.startswith("3")

def attempt(act, *args):
    try:
        act(*args)
    except mlflow.exceptions.MlflowException:
        pass

exp_id = client.create_experiment(name + name_part, tags={"mlflow.note.content": "# A note\\n\\n**bold**"})
for number, text in enumerate(texts):
    attempt(client.set_experiment_tag, exp_id, f"text.{number}", text)
for key in keys:
    attempt(client.set_experiment_tag, exp_id, key, "value")
mlflow.set_experiment(experiment_id=exp_id)
runs = {}

def new(label, **options):
    runs[label] = client.create_run(exp_id, **options).info.run_id
    return runs[label]

odd = new("odd", run_name=name_part)
client.log_batch(odd, params=[Param(f"text{n}", text) for n, text in enumerate(texts)])
client.log_batch(odd, tags=[RunTag(f"text.{n}", text) for n, text in enumerate(texts)])
for key in keys:
    attempt(client.log_param, odd, key, "[1, 2]")
    attempt(client.set_tag, odd, key, "0.5")
    attempt(client.log_metric, odd, key, 0.5)
numbers = {"nan": "nan", "up": "inf", "down": "-inf", "huge": "1e308", "tiny": "5e-324", "minus": "-0.0"}
points = [Metric(key, float(number), 1711962000000, -3) for key, number in numbers.items()]
client.log_batch(odd, metrics=points)
new("running")
client.set_terminated(new("killed"), status="KILLED")
client.set_terminated(new("failed"), status="FAILED", end_time=1)
client.update_run(new("scheduled"), status="SCHEDULED")
client.delete_run(new("deleted", tags={"was": "here"}))
new("no start", start_time=0)
new("of nobody", tags={"mlflow.parentRunId": "f" * 32, "mlflow.user": "", "mlflow.source.type": "?"})
new("nameless tag", tags={"mlflow.runName": "named by its tag"})
noted = {"mlflow.note.content": "line\\nline", "mlflow.log-model.history": "[]", "json": '{"a": [1]}'}
new("noted", tags=noted)
new("artifacts_repo", tags={"artifacts_repo": "not a url", "mlopus.artifacts_repo": ""})
with mlflow.start_run(run_name="parent") as parent:
    mlflow.log_input(mlflow.data.from_numpy(numpy.array([[1.0]]), source="s3://b/data"), context="training")
    with mlflow.start_run(nested=True) as nested:
        mlflow.log_dict({"a": 1}, "conf.json")
runs |= {"parent": parent.info.run_id, "nested": nested.info.run_id}
mlflow.sklearn.autolog(silent=True, log_models=False)
with mlflow.start_run() as autologged:
    LinearRegression().fit(numpy.array([[0.0], [1.0]]), numpy.array([1.0, 3.0]))
runs["autologged"] = autologged.info.run_id
gone_id = client.create_experiment(name + " gone")
runs["in a deleted experiment"] = client.create_run(gone_id).info.run_id
client.delete_experiment(gone_id)

empty, model = name + " empty", name + " Größe 'x' 漢"
client.create_registered_model(empty)
client.create_registered_model(model, tags={"a": "1", "a.b": "2"}, description="two\\nlines")
for number, text in enumerate(texts):
    attempt(client.set_registered_model_tag, model, f"text.{number}", text)
client.create_model_version(model, "s3://bucket/a b?c=#1", description="v1", tags={"json": '{"a": [1]}'})
client.create_model_version(model, "s3://bucket/model", run_id="f" * 32)
client.create_model_version(model, f"runs:/{runs['nested']}/conf.json", run_id=runs["nested"])
client.create_model_version(model, f"runs:/{runs['deleted']}/model", run_id=runs["deleted"])
client.create_model_version(model, "s3://bucket/gone")
client.delete_model_version(model, "5")
for number, text in enumerate(texts):
    attempt(client.set_model_version_tag, model, "1", f"text.{number}", text)
for alias in ("champion", "Über_1-2", "0"):
    attempt(client.set_registered_model_alias, model, alias, "1")
attempt(client.transition_model_version_stage, model, "2", "Production")
models = [empty, model]
for slashed in (f"{name}/slash", f"{name}:colon"):
    try:
        client.create_registered_model(slashed)
        client.create_model_version(slashed, "s3://bucket/model")
        models.append(slashed)
    except mlflow.exceptions.MlflowException:
        pass
print(json.dumps({"exp_ids": [exp_id, gone_id], "runs": runs, "models": models, "model": model}))
"""


@attrs.frozen(kw_only=True)
class Foreign:
    """What MLflow's client wrote to a server: ids and names."""

    uri: str
    name: str
    exp_ids: list[str]
    runs: dict[str, str]
    models: list[str]
    model: str

    @property
    def versions(self) -> tuple[tuple[str, str], ...]:
        """Every version that is there."""
        others = tuple((name, "1") for name in self.models[2:])
        return (*((self.model, str(number)) for number in (1, 2, 3, 4)), *others)

    def read_all(self, api: MlflowApi) -> None:
        """Have everything cached."""
        for exp_id in self.exp_ids:
            api.cache_exp_meta(exp_id).unwrap()
        for run_id in self.runs.values():
            api.cache_run_meta(run_id).unwrap()
        for name in self.models:
            api.cache_model_meta(name).unwrap()
        for version in self.versions:
            api.cache_model_version_meta(version).unwrap()


def written_to(server: MlflowServer) -> Foreign:
    """Have it all written, under names that nobody else has."""

    def write() -> dict[str, Any]:
        name = new_name()
        given = {"name": name, "name_part": NAME_PART, "texts": TEXTS, "keys": KEYS}
        return {"name": name, **server.run_mlflow_client(WRITE, **given)}

    return Foreign(uri=server.uri, **written_once(server, "foreign", write))
