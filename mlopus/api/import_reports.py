"""What became of an import."""

from __future__ import annotations

import attrs

from mlopus.errors import MlopusError


@attrs.frozen(kw_only=True)
class ImportedArtifact:
    """An artifact that was taken over.

    Attributes:
        run_id: Whose it is.
        path: Relative to the run's artifact root.
        file_count: How many files it has.
        size_bytes: Of all of them.
    """

    run_id: str
    path: str
    file_count: int
    size_bytes: int


@attrs.frozen(kw_only=True)
class ImportReport:
    """What an import added, what was there already, and what could not be read.

    Attributes:
        folder: The old cache.
        cache_dir: The cache that it was imported into.
        tracking_uri: Of the server that all of it is kept as being from.
        entities: How many experiments, runs, models and versions were added or renewed.
        artifacts: Those that were added.
        unchanged: How many entities and artifacts were there already, or in a later state.
        faults: By path in the old cache, why something was not imported.

    Example:
        >>> print(ImportReport(folder="/old", cache_dir="/new", tracking_uri="http://server", entities=3))
        3 entities and 0 artifacts (0 bytes) imported from /old, 0 there already, 0 not readable
    """

    folder: str
    cache_dir: str
    tracking_uri: str
    entities: int = 0
    artifacts: tuple[ImportedArtifact, ...] = ()
    unchanged: int = 0
    faults: tuple[tuple[str, MlopusError], ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether all that the old cache holds was imported.

        Example:
            >>> ImportReport(folder="/old", cache_dir="/new", tracking_uri="http://server").is_complete
            True
        """
        return not self.faults

    def __str__(self) -> str:
        size_bytes = sum(artifact.size_bytes for artifact in self.artifacts)
        added = f"{self.entities} entities and {len(self.artifacts)} artifacts ({size_bytes:,} bytes)"
        rest = f"{self.unchanged} there already, {len(self.faults)} not readable"
        return f"{added} imported from {self.folder}, {rest}"
