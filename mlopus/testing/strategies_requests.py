"""Hypothesis strategies for requests of every kind, as calls make them."""

from __future__ import annotations

from datetime import UTC

from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ExperimentName, ModelKey, RunKey, VersionKey
from mlopus.domain.records import MetricSample
from mlopus.domain.status import RunStatus
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
    FetchRequest,
    GetArtifact,
    GetEntity,
    LogCollected,
    LogMetricPoints,
    LogMetrics,
    LogModelVersion,
    LogParams,
    LogRunArtifact,
    MetricPointAt,
    PlaceArtifact,
    PublishOptions,
    Request,
    SetEntityTags,
    SetRunStatus,
    TrackingRequest,
)
from mlopus.plans.upkeep_requests import (
    AliasVersion,
    DeleteEntityTags,
    DeleteNamed,
    DescribeEntity,
    DropAlias,
    RenameEntity,
    RestoreNamed,
    UpkeepRequest,
)
from mlopus.testing.strategies import keys, nested_values
from mlopus.testing.strategies_copies import copy_requests

_NAMES = st.sampled_from(("a", "demo", "my model", "é", "team/x"))
_BOOLEANS = st.booleans()
_FLAGS = st.sampled_from((None, True, False))
_MOMENTS = st.datetimes(timezones=st.just(UTC))
_METRICS = st.dictionaries(keys(), st.floats(), max_size=5).map(immutabledict)
_VALUES = nested_values()

EXPERIMENT_KEYS = st.builds(ExperimentKey, _NAMES)
RUN_KEYS = st.builds(RunKey, _NAMES)
MODEL_KEYS = st.builds(ModelKey, _NAMES)
VERSION_KEYS = st.one_of(
    st.builds(VersionKey, _NAMES, st.sampled_from(("1", "12"))), st.builds(AliasKey, _NAMES, _NAMES)
)
_ARTIFACTS = st.builds(
    ArtifactOf, owner=st.one_of(RUN_KEYS, VERSION_KEYS), path=st.sampled_from(("", "a", "a/é b"))
)
_POINTS = st.builds(
    MetricPointAt,
    key=keys(),
    value=st.floats(),
    step=st.integers(-(2**63), 2**63 - 1),
    timestamp=st.one_of(st.none(), _MOMENTS),
)
_OPTIONS = st.builds(PublishOptions, keep_the_source=_FLAGS, allow_duplication=_FLAGS, use_cache=_FLAGS)


_SAMPLES = st.builds(MetricSample, key=keys(), value=st.floats(), step=st.integers(0, 3), timestamp=_MOMENTS)
_TEXTS = st.dictionaries(keys(), st.text(max_size=20), max_size=5).map(immutabledict)
_ANY_OWN_KEY = st.one_of(EXPERIMENT_KEYS, RUN_KEYS, MODEL_KEYS, VERSION_KEYS)


def upkeep_requests() -> st.SearchStrategy[UpkeepRequest]:
    """Requests that rename, describe, untag, alias, delete and restore."""
    return st.one_of(
        st.builds(RenameEntity, on=st.one_of(EXPERIMENT_KEYS, RUN_KEYS, MODEL_KEYS), name=_NAMES),
        st.builds(DescribeEntity, on=_ANY_OWN_KEY, description=st.text(max_size=20)),
        st.builds(
            DeleteEntityTags,
            on=_ANY_OWN_KEY,
            keys=st.lists(st.one_of(keys(), st.just("kept")), max_size=3).map(tuple),
        ),
        st.builds(AliasVersion, alias=_NAMES, version=VERSION_KEYS),
        st.builds(DropAlias, model=MODEL_KEYS, alias=_NAMES),
        st.builds(DeleteNamed, key=_ANY_OWN_KEY),
        st.builds(RestoreNamed, key=st.one_of(EXPERIMENT_KEYS, RUN_KEYS)),
    )


def tracking_requests() -> st.SearchStrategy[TrackingRequest]:
    """Requests that change metadata, with values that a user may give."""
    return st.one_of(
        st.builds(CreateExp, name=_NAMES, tags=_VALUES, operation_id=_NAMES, ensure=_BOOLEANS),
        st.builds(CreateRegisteredModel, name=_NAMES, tags=_VALUES, operation_id=_NAMES, ensure=_BOOLEANS),
        st.builds(
            CreateRunIn,
            exp=EXPERIMENT_KEYS,
            name=st.one_of(st.none(), _NAMES),
            tags=_VALUES,
            repo=st.sampled_from((None, "s3://bucket/elsewhere")),
            parent=st.one_of(st.none(), RUN_KEYS),
            start=_BOOLEANS,
            operation_id=_NAMES,
            at=st.one_of(st.none(), _MOMENTS),
        ),
        st.builds(
            SetRunStatus,
            run=RUN_KEYS,
            status=st.sampled_from(RunStatus),
            at=st.one_of(st.none(), _MOMENTS),
        ),
        st.builds(
            SetEntityTags,
            on=st.one_of(EXPERIMENT_KEYS, RUN_KEYS, MODEL_KEYS, VERSION_KEYS),
            tags=_VALUES,
        ),
        st.builds(LogParams, run=RUN_KEYS, params=_VALUES),
        st.builds(
            LogMetrics,
            run=RUN_KEYS,
            metrics=_METRICS,
            step=st.integers(0, 10),
            timestamp=st.one_of(st.none(), _MOMENTS),
        ),
        st.builds(LogMetricPoints, run=RUN_KEYS, points=st.lists(_POINTS, max_size=5).map(tuple)),
        st.builds(
            LogCollected,
            run=RUN_KEYS,
            params=_TEXTS,
            metrics=st.lists(_SAMPLES, max_size=8).map(tuple),
            tags=_TEXTS,
        ),
        upkeep_requests(),
    )


def fetch_requests() -> st.SearchStrategy[FetchRequest]:
    """Requests that read one entity."""
    any_key = st.one_of(
        EXPERIMENT_KEYS, st.builds(ExperimentName, _NAMES), RUN_KEYS, MODEL_KEYS, VERSION_KEYS
    )
    return st.one_of(st.builds(GetEntity, key=any_key, refresh=_BOOLEANS), st.builds(CacheMeta, key=any_key))


def requests() -> st.SearchStrategy[Request]:
    """Requests of every kind."""
    return st.one_of(
        tracking_requests(),
        fetch_requests(),
        copy_requests(),
        st.builds(CacheArtifact, artifact=_ARTIFACTS),
        st.builds(GetArtifact, artifact=_ARTIFACTS),
        st.builds(DropQueued, entry_id=st.integers(1, 9)),
        st.builds(CleanCachedArtifact, artifact=_ARTIFACTS),
        st.builds(ExportArtifact, artifact=_ARTIFACTS, target=_NAMES),
        st.builds(ExportMeta, key=_ANY_OWN_KEY, target=_NAMES),
        st.builds(
            PlaceArtifact,
            artifact=_ARTIFACTS,
            target=_NAMES,
            overwrite=_BOOLEANS,
            link=st.sampled_from((True, False, "symlink", "hardlink", "reflink", "copy")),
        ),
        st.builds(
            LogRunArtifact,
            run=RUN_KEYS,
            source=_NAMES,
            path_in_run=_NAMES,
            from_callback=_BOOLEANS,
            options=_OPTIONS,
            mirror=_BOOLEANS,
            overwrite=_BOOLEANS,
        ),
        st.builds(
            LogModelVersion,
            model=MODEL_KEYS,
            run=RUN_KEYS,
            source=_NAMES,
            path_in_run=_NAMES,
            from_callback=_BOOLEANS,
            options=_OPTIONS,
            version=st.sampled_from((None, "3")),
            tags=_VALUES,
            overwrite=_BOOLEANS,
            operation_id=_NAMES,
        ),
    )
