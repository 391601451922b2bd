"""What a server itself holds, past any client: texts, byte for byte."""

from __future__ import annotations

from typing import Any

import attrs
import httpx


@attrs.frozen
class RunTexts:
    """The params and tags of a run as the server answers them."""

    params: dict[str, str]
    tags: dict[str, str]


def texts_of_run(uri: str, run_id: str) -> RunTexts:
    """Ask a server for a run, and read nothing into the texts."""
    answer = httpx.get(f"{uri}/api/2.0/mlflow/runs/get", params={"run_id": run_id}).raise_for_status()
    data: dict[str, Any] = answer.json()["run"]["data"]
    return RunTexts(
        params={param["key"]: param["value"] for param in data.get("params", ())},
        tags={tag["key"]: tag["value"] for tag in data.get("tags", ())},
    )


def tags_of(uri: str, entity: str, **query: str) -> dict[str, str]:
    """Ask a server for an experiment, a model or a version (named as in its JSON), and give its tags."""
    answer = httpx.get(f"{uri}/api/2.0/mlflow/{entity.replace('_', '-')}s/get", params=query)
    found: dict[str, Any] = answer.raise_for_status().json()[entity]
    return {tag["key"]: tag["value"] for tag in found.get("tags", ())}
