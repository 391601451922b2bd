"""Requests that copy from one tracking store, with its artifacts, to another."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from mlopus.domain.keys import AliasKey, ExperimentKey, RunKey, VersionKey
from mlopus.domain.origin import Origin


@attrs.frozen(kw_only=True)
class CopyRunTo:
    """Copy a run into the other store's experiment of the same name, made if it is not there.

    `with_children`: also the runs nested in it, however deep. `with_versions`: also the versions
    that are registered of these runs.
    """

    run: RunKey
    source: Origin
    to: Origin
    with_children: bool
    with_versions: bool


@attrs.frozen(kw_only=True)
class CopyExpTo:
    """Copy an experiment with its runs; `name` is that of the copy, None keeps it."""

    exp: ExperimentKey
    source: Origin
    to: Origin
    name: str | None
    with_versions: bool


@attrs.frozen(kw_only=True)
class CopyVersionTo:
    """Copy a version with its bytes, and its run without other artifacts; `name` is the model's there."""

    version: VersionKey | AliasKey
    source: Origin
    to: Origin
    name: str | None


CopyRequest: TypeAlias = CopyRunTo | CopyExpTo | CopyVersionTo
