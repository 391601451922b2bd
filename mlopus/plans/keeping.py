"""What must stay in a cache, and why: pins, placements, holds, and whatever else refers to trees."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from mlopus.domain.manifest import ArtifactSubject

Holder: TypeAlias = Literal["pin", "placement", "hold", "journal"]


@attrs.frozen(kw_only=True)
class Pin:
    """A path of a subject's artifacts: no tree that holds it, or a part of it, is evicted."""

    origin_key: str
    subject: ArtifactSubject
    path: str

    @property
    def order(self) -> tuple[str, str, str, str]:
        """By what pins are sorted."""
        return self.origin_key, self.subject.kind, self.subject.key, self.path


@attrs.frozen(kw_only=True)
class Placement:
    """A target of the user's whose files are links to the files at a path of a committed tree."""

    target: str
    tree_key: str
    path: str


@attrs.frozen(kw_only=True)
class HeldTree:
    """A tree that somebody needs: by what it is held, and who or what that is, for people."""

    tree_key: str
    by: Holder
    reason: str
