"""After a write to an entity: the entity as it is now, without asking again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from mlopus.domain.entities import Entity
from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey, key_of
from mlopus.domain.provisional import provisional_name
from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from mlopus.api.calls import Call
    from mlopus.api.client import MlflowApi
    from mlopus.domain.records import Record

H = TypeVar("H", bound=Entity)


def _read_now(key: Result[OwnKey, MlopusError], api: MlflowApi) -> Result[Any, MlopusError]:
    """An entity that was flushed since its handle was made, as its store calls it."""
    if isinstance(key, Failure):
        return key
    match key.unwrap():
        case ExperimentKey(exp_id):
            return api.get_exp(exp_id)
        case RunKey(run_id):
            return api.get_run(run_id)
        case ModelKey(name):
            return api.get_model(name)
        case VersionKey(name, version):
            return api.get_model_version((name, version))


def followed(entity: H, api: MlflowApi, call: Result[Call, MlopusError]) -> Result[H, MlopusError]:
    """The entity, with its parents, after the changes of a call, once they are made."""
    from mlopus.api.views import Viewer, records_of
    from mlopus.domain.text import codec_named
    from mlopus.plans.effects import applied
    from mlopus.plans.reflections import effects_in

    receipt = api.receipt_of(call)
    if isinstance(receipt, Failure):
        return receipt
    codec = codec_named(api.settings.text_codec)
    records: tuple[Record, ...] = records_of(entity, codec)
    if provisional_name(key_of(records[0])) is not None:
        now = api.as_now(Success(key_of(records[0])))
        if isinstance(now, Failure) or now.unwrap() != key_of(records[0]):
            return _read_now(now, api)
    for change in effects_in(done.step for done in receipt.unwrap().steps):
        records = tuple(applied(record, change) for record in records)
    handle: Any = Viewer(api, codec, entity.as_of).handle(records)
    return Success(handle)
