"""Between records and what users see: entities with nested values, and handles."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from mlopus.domain.entities import Entity, Experiment, Model, ModelVersion, Run
from mlopus.domain.locations import path_of_version
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.domain.text import TextCodec
from mlopus.domain.values import (
    TextLimits,
    decode_metrics,
    decode_params,
    decode_tags,
    encode_metrics,
    encode_texts,
)
from mlopus.handles import ExpApi, ModelApi, ModelVersionApi, RunApi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlopus.api.client import MlflowApi
    from mlopus.domain.records import Texts

R = TypeVar("R", bound=Record)
_UNLIMITED = TextLimits(key=10**9, param=10**9, tag=10**9)


class Viewer:
    """Makes handles from records, for one API."""

    def __init__(self, api: MlflowApi, codec: TextCodec, as_of: datetime | None = None) -> None:
        self._api = api
        self._codec = codec
        self._as_of = as_of

    def handle(self, records: tuple[Record, ...]) -> ExpApi | RunApi | ModelApi | ModelVersionApi:
        """The handle of the first record, with the others as its parents."""
        entity, *parents = records
        match entity:
            case ExperimentRecord():
                return self.exp(entity)
            case RunRecord():
                return self.run(entity, _one(parents, ExperimentRecord))
            case ModelRecord():
                return self.model(entity)
            case VersionRecord():
                model = _one(parents, ModelRecord)
                run = next((parent for parent in parents if isinstance(parent, RunRecord)), None)
                exp = next((parent for parent in parents if isinstance(parent, ExperimentRecord)), None)
                return self.version(entity, model, None if run is None or exp is None else self.run(run, exp))

    def exp(self, record: ExperimentRecord) -> ExpApi:
        """The handle of an experiment."""
        return ExpApi(
            id=record.id,
            name=record.name,
            tags=decode_tags(record.tags, self._codec),
            lifecycle_stage=record.lifecycle_stage,
            artifact_location=record.artifact_location,
            created_at=record.created_at,
            updated_at=record.updated_at,
            as_of=self._as_of,
            api=self._api,
        )

    def run(self, record: RunRecord, exp: ExperimentRecord | ExpApi) -> RunApi:
        """The handle of a run in its experiment."""
        return RunApi(
            id=record.id,
            name=record.name,
            exp=exp if isinstance(exp, ExpApi) else self.exp(exp),
            repo=record.repo,
            status=record.status,
            start_time=record.start_time,
            end_time=record.end_time,
            params=decode_params(record.params, self._codec),
            metrics=decode_metrics(record.metrics),
            tags=decode_tags(record.tags, self._codec),
            lifecycle_stage=record.lifecycle_stage,
            artifact_uri=record.artifact_uri,
            logged_model_ids=record.logged_model_ids,
            as_of=self._as_of,
            api=self._api,
        )

    def model(self, record: ModelRecord) -> ModelApi:
        """The handle of a registered model."""
        return ModelApi(
            name=record.name,
            tags=decode_tags(record.tags, self._codec),
            description=record.description,
            aliases=record.aliases,
            created_at=record.created_at,
            updated_at=record.updated_at,
            as_of=self._as_of,
            api=self._api,
        )

    def version(
        self, record: VersionRecord, model: ModelRecord | ModelApi, run: RunApi | None
    ) -> ModelVersionApi:
        """The handle of a version of a model, with the run it came from."""
        return ModelVersionApi(
            version=record.version,
            model=model if isinstance(model, ModelApi) else self.model(model),
            run=run,
            path_in_run=None if run is None else path_of_version(record.source, run.id, run.repo),
            source=record.source,
            tags=decode_tags(record.tags, self._codec),
            description=record.description,
            aliases=record.aliases,
            created_at=record.created_at,
            updated_at=record.updated_at,
            as_of=self._as_of,
            api=self._api,
        )


def _one(parents: list[Record], kind: type[R]) -> R:
    for parent in parents:
        if isinstance(parent, kind):
            return parent
    raise LookupError(f"no {kind.__name__} among the parents")


def records_of(entity: Entity, codec: TextCodec) -> tuple[Record, ...]:
    """The records that an entity and its parents were made from: the codecs lose nothing."""

    def tags(nested: Mapping[str, object]) -> Texts:
        return encode_texts("tag", nested, codec, _UNLIMITED).unwrap()

    match entity:
        case Experiment():
            return (
                ExperimentRecord(
                    id=entity.id,
                    name=entity.name,
                    tags=tags(entity.tags),
                    lifecycle_stage=entity.lifecycle_stage,
                    artifact_location=entity.artifact_location,
                    created_at=entity.created_at,
                    updated_at=entity.updated_at,
                ),
            )
        case Run():
            run = RunRecord(
                id=entity.id,
                exp_id=entity.exp.id,
                name=entity.name,
                status=entity.status,
                start_time=entity.start_time,
                end_time=entity.end_time,
                artifact_uri=entity.artifact_uri,
                params=encode_texts("param", entity.params, codec, _UNLIMITED).unwrap(),
                metrics=encode_metrics(entity.metrics, _UNLIMITED).unwrap(),
                tags=tags(entity.tags),
                lifecycle_stage=entity.lifecycle_stage,
                logged_model_ids=entity.logged_model_ids,
            )
            return (run, *records_of(entity.exp, codec))
        case Model():
            return (
                ModelRecord(
                    name=entity.name,
                    tags=tags(entity.tags),
                    description=entity.description,
                    aliases=entity.aliases,
                    created_at=entity.created_at,
                    updated_at=entity.updated_at,
                ),
            )
        case ModelVersion():
            version = VersionRecord(
                name=entity.model.name,
                version=entity.version,
                source=entity.source,
                run_id=None if entity.run is None else entity.run.id,
                tags=tags(entity.tags),
                description=entity.description,
                aliases=entity.aliases,
                created_at=entity.created_at,
                updated_at=entity.updated_at,
            )
            above = () if entity.run is None else records_of(entity.run, codec)
            return (version, *records_of(entity.model, codec), *above)
        case _:
            raise TypeError(f"{type(entity).__name__} is no entity of mlopus")
