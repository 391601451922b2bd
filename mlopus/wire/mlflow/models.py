"""Operations on registered models and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from immutabledict import immutabledict

from mlopus.domain.records import ModelRecord, VersionRecord
from mlopus.plans.search import Page
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import API, HttpRequest, Named, WrongShape, json_text
from mlopus.wire.mlflow.pages import PageRequest, page_from_reply, record_from_reply
from mlopus.wire.mlflow.shapes import elements, members, moment, pairs, pairs_json, text

MAX_MODEL_PAGE = 1000
MAX_VERSION_PAGE = 10_000


def create_model_request(name: str, tags: Mapping[str, str]) -> HttpRequest:
    """Create a registered model. Names are unique; who created what has a name, its tags tell."""
    return HttpRequest(
        name="registered-models/create",
        method="POST",
        path=f"{API}/registered-models/create",
        body=json_text({"name": name, "tags": pairs_json(tags)}),
        replay_safe=False,
        taken=Named("model", name),
    )


def get_model_request(name: str) -> HttpRequest:
    """Get a registered model."""
    return HttpRequest(
        name="registered-models/get",
        method="GET",
        path=f"{API}/registered-models/get",
        query=(("name", name),),
        replay_safe=True,
        missing=Named("model", name),
        is_lookup=True,
    )


def model_from_reply(reply: object) -> Result[ModelRecord, WrongShape]:
    """The model that was created or asked for."""
    return record_from_reply(reply, "registered_model", model_from_json)


def search_models_request(page: PageRequest) -> HttpRequest:
    """Ask for one page of registered models."""
    return _search("registered-models", page, MAX_MODEL_PAGE)


def search_models_from_reply(reply: object) -> Result[Page, WrongShape]:
    """The page."""
    return page_from_reply(reply, "registered_models", model_from_json)


def set_model_tag_request(name: str, key: str, value: str) -> HttpRequest:
    """Set one tag of a registered model."""
    return HttpRequest(
        name="registered-models/set-tag",
        method="POST",
        path=f"{API}/registered-models/set-tag",
        body=json_text({"name": name, "key": key, "value": value}),
        replay_safe=True,
        missing=Named("model", name),
    )


def create_version_request(
    name: str, source: str, run_id: str | None, model_id: str | None, tags: Mapping[str, str]
) -> HttpRequest:
    """Register a version. Sent twice, it registers two."""
    body = {"name": name, "source": source, "run_id": run_id, "model_id": model_id, "tags": pairs_json(tags)}
    return HttpRequest(
        name="model-versions/create",
        method="POST",
        path=f"{API}/model-versions/create",
        body=json_text(body),
        replay_safe=False,
        missing=Named("model", name),
    )


def get_version_request(name: str, version: str) -> HttpRequest:
    """Get a version."""
    return HttpRequest(
        name="model-versions/get",
        method="GET",
        path=f"{API}/model-versions/get",
        query=(("name", name), ("version", version)),
        replay_safe=True,
        missing=Named("model version", f"{name}/{version}"),
        is_lookup=True,
    )


def get_version_by_alias_request(name: str, alias: str) -> HttpRequest:
    """Get the version that an alias stands for."""
    return HttpRequest(
        name="registered-models/alias",
        method="GET",
        path=f"{API}/registered-models/alias",
        query=(("name", name), ("alias", alias)),
        replay_safe=True,
        missing=Named("model version", f"{name}@{alias}"),
        is_lookup=True,
    )


def version_from_reply(reply: object) -> Result[VersionRecord, WrongShape]:
    """The version that was registered or asked for."""
    return record_from_reply(reply, "model_version", version_from_json)


def search_versions_request(page: PageRequest) -> HttpRequest:
    """Ask for one page of versions; they come without their aliases."""
    return _search("model-versions", page, MAX_VERSION_PAGE)


def search_versions_from_reply(reply: object) -> Result[Page, WrongShape]:
    """The page."""
    return page_from_reply(reply, "model_versions", version_from_json)


def set_version_tag_request(name: str, version: str, key: str, value: str) -> HttpRequest:
    """Set one tag of a version."""
    return HttpRequest(
        name="model-versions/set-tag",
        method="POST",
        path=f"{API}/model-versions/set-tag",
        body=json_text({"name": name, "version": version, "key": key, "value": value}),
        replay_safe=True,
        missing=Named("model version", f"{name}/{version}"),
    )


def download_uri_request(name: str, version: str) -> HttpRequest:
    """Ask where the server says that a version's bytes are."""
    return HttpRequest(
        name="model-versions/get-download-uri",
        method="GET",
        path=f"{API}/model-versions/get-download-uri",
        query=(("name", name), ("version", version)),
        replay_safe=True,
        missing=Named("model version", f"{name}/{version}"),
    )


def download_uri_from_reply(reply: object) -> Result[str, WrongShape]:
    """The URI; it may name a run or another version again."""
    uri = text(members(reply).get("artifact_uri"))
    return Success(uri) if uri else Failure(WrongShape("there is no 'artifact_uri' in it"))


def _search(entities: str, page: PageRequest, max_page: int) -> HttpRequest:
    query = [("filter", page.filter)] if page.filter else []
    query.append(("max_results", str(min(page.page_size, max_page))))
    query += [("order_by", key) for key in page.order_by]
    query += [("page_token", page.token)] if page.token else []
    return HttpRequest(
        name=f"{entities}/search",
        method="GET",
        path=f"{API}/{entities}/search",
        query=tuple(query),
        replay_safe=True,
    )


def model_from_json(value: object) -> ModelRecord | None:
    """The registered model that a JSON object describes; None if it has no name."""
    found = members(value)
    name = text(found.get("name"))
    if not name:
        return None
    return ModelRecord(
        name=name,
        tags=pairs(found.get("tags")),
        description=text(found.get("description")) or None,
        aliases=pairs(found.get("aliases"), value_name="version", key_name="alias"),
        created_at=moment(found.get("creation_timestamp")),
        updated_at=moment(found.get("last_updated_timestamp")),
    )


def version_from_json(value: object) -> VersionRecord | None:
    """The version that a JSON object describes; None if it has no model or no number."""
    found = members(value)
    name, version = text(found.get("name")), text(found.get("version"))
    if not name or not version:
        return None
    return VersionRecord(
        name=name,
        version=version,
        source=text(found.get("source")),
        run_id=text(found.get("run_id")) or None,
        tags=pairs(found.get("tags")),
        description=text(found.get("description")) or None,
        aliases=tuple(sorted(alias for alias in map(text, elements(found.get("aliases"))) if alias)),
        created_at=moment(found.get("creation_timestamp")),
        updated_at=moment(found.get("last_updated_timestamp")),
    )


def aliases_of(models: Sequence[ModelRecord]) -> immutabledict[tuple[str, str], tuple[str, ...]]:
    """The aliases of versions, by model name and version, sorted."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for model in models:
        for alias, version in sorted(model.aliases.items()):
            found[model.name, version] = (*found.get((model.name, version), ()), alias)
    return immutabledict(found)
