"""What the planning view holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi


@attrs.frozen(slots=False)
class PlanCore:
    """The API whose verbs are planned."""

    _api: MlflowApi
