"""Requests in words: the verb that made one, and the title of its plan."""

from __future__ import annotations

from typing import assert_never

from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    RunKey,
    VersionKey,
    kind_of,
)
from mlopus.domain.status import RunStatus
from mlopus.plans.copy_requests import CopyExpTo, CopyRunTo, CopyVersionTo
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    PinArtifact,
    RepairCache,
    UnpinArtifact,
)
from mlopus.plans.requests import (
    ArtifactOf,
    CacheArtifact,
    CacheMeta,
    CleanCachedArtifact,
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    DropQueued,
    ExportArtifact,
    ExportMeta,
    GetArtifact,
    GetEntity,
    LogCollected,
    LogMetricPoints,
    LogMetrics,
    LogModelVersion,
    LogParams,
    LogRunArtifact,
    PlaceArtifact,
    Request,
    SetEntityTags,
    SetRunStatus,
)
from mlopus.plans.upkeep_requests import (
    AliasVersion,
    DeleteEntityTags,
    DeleteNamed,
    DescribeEntity,
    DropAlias,
    RenameEntity,
    RestoreNamed,
)


def verb_of(request: Request) -> str:  # noqa: C901 (a case per class)
    """The verb of the API that makes such a request.

    Example:
        >>> verb_of(GetEntity(key=ExperimentName("demo")))
        'get_exp_by_name'
    """
    match request:
        case GetEntity(key=ExperimentName()):
            return "get_exp_by_name"
        case GetEntity():
            return f"get_{_short_kind(request.key)}"
        case CacheMeta():
            return f"cache_{_short_kind(request.key)}_meta"
        case CreateExp():
            return "get_or_create_exp" if request.ensure else "create_exp"
        case CreateRegisteredModel():
            return "get_or_create_model" if request.ensure else "create_model"
        case CreateRunIn():
            return "start_run" if request.start else "create_run"
        case SetRunStatus():
            return "resume_run" if request.status is RunStatus.RUNNING else "end_run"
        case SetEntityTags():
            return f"set_tags_on_{_short_kind(request.on)}"
        case LogParams():
            return "log_params"
        case LogMetrics():
            return "log_metrics"
        case LogMetricPoints():
            return "log_metric_points"
        case LogCollected():
            return "batch"
        case RenameEntity():
            return f"rename_{_short_kind(request.on)}"
        case DescribeEntity():
            return f"set_description_on_{_short_kind(request.on)}"
        case DeleteEntityTags():
            return f"delete_tags_on_{_short_kind(request.on)}"
        case AliasVersion():
            return "set_alias"
        case DropAlias():
            return "delete_alias"
        case DeleteNamed():
            return f"delete_{_short_kind(request.key)}"
        case RestoreNamed():
            return f"restore_{_short_kind(request.key)}"
        case CacheArtifact():
            return f"cache_{_owner_kind(request.artifact)}_artifact"
        case GetArtifact():
            return f"get_{_owner_kind(request.artifact)}_artifact"
        case PlaceArtifact():
            return f"place_{_owner_kind(request.artifact)}_artifact"
        case ExportMeta():
            return f"export_{_short_kind(request.key)}_meta"
        case ExportArtifact():
            return f"export_{_owner_kind(request.artifact)}_artifact"
        case CleanCachedArtifact():
            return f"clean_cached_{_owner_kind(request.artifact)}_artifact"
        case LogRunArtifact():
            return "log_run_artifact"
        case LogModelVersion():
            return "log_model_version"
        case DropQueued():
            return "drop"
        case CollectGarbage():
            return "gc"
        case PinArtifact():
            return "pin"
        case UnpinArtifact():
            return "unpin"
        case RepairCache():
            return "repair"
        case CleanTemporary():
            return "clean_temp_artifacts"
        case CleanCache():
            return "clean_all_cache"
        case CopyRunTo():
            return "copy_run"
        case CopyExpTo():
            return "copy_exp"
        case CopyVersionTo():
            return "copy_model_version"
        case _:
            assert_never(request)


def title_of(request: Request) -> str:  # noqa: C901 (a case per class)
    """What a request does, in one line for people."""
    match request:
        case GetEntity():
            return f"get {entity_in_words(request.key)}"
        case CacheMeta():
            return f"cache metadata of {entity_in_words(request.key)}"
        case CreateExp():
            return f"{'get or create' if request.ensure else 'create'} experiment {request.name!r}"
        case CreateRegisteredModel():
            return f"{'get or create' if request.ensure else 'create'} model {request.name!r}"
        case CreateRunIn():
            name = "a run" if request.name is None else f"run {request.name!r}"
            return f"{'start' if request.start else 'create'} {name} in experiment {request.exp}"
        case SetRunStatus(status=RunStatus.RUNNING):
            return f"resume run {request.run}"
        case SetRunStatus():
            return f"end run {request.run} as {request.status.name}"
        case SetEntityTags():
            return f"set tags on {entity_in_words(request.on)}"
        case LogParams():
            return f"log params to run {request.run}"
        case LogMetrics() | LogMetricPoints():
            return f"log metrics to run {request.run}"
        case LogCollected():
            return f"log what was collected to run {request.run}"
        case RenameEntity():
            return f"rename {entity_in_words(request.on)} to {request.name!r}"
        case DescribeEntity():
            return f"describe {entity_in_words(request.on)}"
        case DeleteEntityTags():
            return f"delete tags {', '.join(request.keys)} of {entity_in_words(request.on)}"
        case AliasVersion():
            return f"let alias {request.alias!r} name {entity_in_words(request.version)}"
        case DropAlias():
            return f"delete alias {request.alias!r} of {entity_in_words(request.model)}"
        case DeleteNamed():
            return f"delete {entity_in_words(request.key)}"
        case RestoreNamed():
            return f"restore {entity_in_words(request.key)}"
        case CacheArtifact():
            return f"cache {artifact_in_words(request.artifact)}"
        case GetArtifact():
            return f"get {artifact_in_words(request.artifact)}"
        case PlaceArtifact():
            return f"place {artifact_in_words(request.artifact)} at {request.target}"
        case ExportMeta():
            return f"export metadata of {entity_in_words(request.key)} into {request.target}"
        case ExportArtifact():
            return f"export {artifact_in_words(request.artifact)} into {request.target}"
        case CleanCachedArtifact():
            return f"clean what is cached of {artifact_in_words(request.artifact)}"
        case LogRunArtifact():
            place = ArtifactOf(owner=request.run, path=request.path_in_run)
            return f"publish {artifact_in_words(place)} from {request.source}"
        case DropQueued():
            return f"drop entry {request.entry_id} of the journal"
        case LogModelVersion():
            return f"publish model {request.model.name!r} from {request.source}"
        case CollectGarbage():
            return "collect garbage of the cache"
        case PinArtifact():
            return f"pin {artifact_in_words(ArtifactOf(owner=request.owner, path=request.path))}"
        case UnpinArtifact():
            return f"unpin {artifact_in_words(ArtifactOf(owner=request.owner, path=request.path))}"
        case RepairCache():
            return "repair what is damaged in the cache"
        case CleanTemporary():
            return "clean what callbacks left"
        case CleanCache():
            return "clean all that is cached"
        case CopyRunTo():
            return f"copy {entity_in_words(request.run)} from {request.source} to {request.to}"
        case CopyExpTo():
            named = "" if request.name is None else f" as {request.name!r}"
            return f"copy {entity_in_words(request.exp)} from {request.source} to {request.to}{named}"
        case CopyVersionTo():
            named = "" if request.name is None else f" as one of {request.name!r}"
            return f"copy {entity_in_words(request.version)} from {request.source} to {request.to}{named}"
        case _:
            assert_never(request)


def entity_in_words(key: EntityKey) -> str:
    """The kind and the name of an entity."""
    name = repr(str(key)) if isinstance(key, ModelKey | ExperimentName) else str(key)
    return f"{kind_of(key)} {name}"


def artifact_in_words(artifact: ArtifactOf) -> str:
    """An artifact's path and owner."""
    owner = entity_in_words(artifact.owner)
    return f"{artifact.path!r} of {owner}" if artifact.path else f"the artifacts of {owner}"


def artifact_key(artifact: ArtifactOf) -> str:
    """An artifact's path and owner as the key of an error, which puts quotes around the whole.

    Example:
        >>> artifact_key(ArtifactOf(owner=RunKey("3f2a"), path="a/b"))
        'a/b of run 3f2a'
    """
    return f"{artifact.path or 'everything'} of {entity_in_words(artifact.owner)}"


def _short_kind(key: EntityKey) -> str:
    match key:
        case ExperimentKey() | ExperimentName():
            return "exp"
        case RunKey():
            return "run"
        case ModelKey():
            return "model"
        case VersionKey() | AliasKey():
            return "model_version"
        case _:
            assert_never(key)


def _owner_kind(artifact: ArtifactOf) -> str:
    return "run" if isinstance(artifact.owner, RunKey) else "model"
