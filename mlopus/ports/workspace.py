"""The workspace port: the user's own files, where trees are placed and sources are read."""

from __future__ import annotations

from typing import Protocol

from mlopus.errors import MlopusError
from mlopus.plans.facts import SourceFacts, TargetFacts
from mlopus.plans.keeping import Placement, PlacementState, TemporaryFolder
from mlopus.plans.outcomes import Removed, Transferred
from mlopus.plans.steps import PlaceTree, RemoveFiles
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.result import Result


class Workspace(Protocol):
    """Paths the user owns. Thread-safe; picklable."""

    def resolve(self, path: str) -> str:
        """The absolute form of a path, `~` expanded, links of its parents followed."""
        ...

    def source_facts(self, path: str) -> Result[SourceFacts, MlopusError]:
        """What a file or folder holds, hashed. Links count as their content.

        NotFound if nothing is there; IllegalPath for a dangling or cyclic link, and for names that
        are no plain relative paths.
        """
        ...

    def source(self, path: str) -> TreeSource:
        """The files of a source, to be read."""
        ...

    def target_facts(self, path: str, tree_key: str | None) -> Result[TargetFacts, MlopusError]:
        """What a target holds. With a tree key, links to that tree are recognised and copies hashed.

        The key of a tree that a store has on this disk is its URL.
        """
        ...

    def place(
        self, step: PlaceTree, target: str, source: TreeSource, meter: Meter
    ) -> Result[Transferred, MlopusError]:
        """Carry out a step: the whole tree or nothing appears. StalePlan if the target has moved on."""
        ...

    def remove(self, step: RemoveFiles, root: str) -> Result[Removed, MlopusError]:
        """Remove files that are still what they were when hashed; others are StalePlan and stay."""
        ...

    def temporary_path(self) -> Result[str, MlopusError]:
        """A path that does not exist yet, in a new folder of the temporary artifacts folder."""
        ...

    def discard_temporary(self, path: str) -> Result[None, MlopusError]:
        """Remove what a callback wrote at a path from `temporary_path`. Other paths are IllegalPath."""
        ...

    def temporaries(self) -> Result[tuple[TemporaryFolder, ...], MlopusError]:
        """What callbacks wrote and is still there, sorted by name; not what other living processes made."""
        ...

    def remove_temporaries(self, names: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove temporary folders by name, with the same exception; answers how many files went."""
        ...

    def seen(self, placement: Placement, tree: TreeSource | None) -> PlacementState:
        """Whether a target still has links to what was placed there; `tree` is what was placed."""
        ...
