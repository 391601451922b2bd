"""What a cache holds, for whom, and what sharing saved."""

from __future__ import annotations

from datetime import datetime

import attrs

from mlopus.domain.manifest import ArtifactSubject


@attrs.frozen(kw_only=True)
class SubjectUse:
    """What is cached of one run, logged model or URL.

    Attributes:
        origin_key: Of the server it is from, as the cache names it.
        subject: Whose artifacts.
        paths: Those that are cached, sorted; "" is all of them.
        total_bytes: What their trees take on the disk, what they share counted once.
        used_at: When one of them was last used.
        kept_by: Why nothing evicts them, in words; none where garbage collection may.
    """

    origin_key: str
    subject: ArtifactSubject
    paths: tuple[str, ...]
    total_bytes: int
    used_at: datetime
    kept_by: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class CacheReport:
    """What a cache folder holds, of every server.

    Attributes:
        subjects: The largest first.
        tree_count: How many trees are committed.
        file_count: How many files they have.
        total_bytes: What they take on the disk.
        shared_bytes: What they would take more if equal files were not one on the disk.
        unserved_bytes: What trees take that nothing serves any more, and that `gc` may remove.
        leftover_bytes: What dead writers left, which `gc` removes.
        temporary_bytes: What callbacks left, which `clean_temp_artifacts` removes.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
        >>> done = run.log_artifact(lambda path: path.write_text("hello"), "a.txt").unwrap()
        >>> cached = run.cache_artifact("a.txt").unwrap()
        >>> api.cache_report().unwrap().total_bytes
        5
    """

    subjects: tuple[SubjectUse, ...] = ()
    tree_count: int = 0
    file_count: int = 0
    total_bytes: int = 0
    shared_bytes: int = 0
    unserved_bytes: int = 0
    leftover_bytes: int = 0
    temporary_bytes: int = 0

    def __str__(self) -> str:
        lines = [
            f"{use.total_bytes:>15,} B  {use.subject}  {_paths(use.paths)}{_why(use.kept_by)}"
            for use in self.subjects
        ]
        totals = (
            f"{self.total_bytes:>15,} B  in {self.tree_count:,} trees of {self.file_count:,} files",
            f"{self.shared_bytes:>15,} B  saved by sharing equal files",
            f"{self.unserved_bytes:>15,} B  that nothing serves any more",
            f"{self.leftover_bytes + self.temporary_bytes:>15,} B  of leftovers and temporary files",
        )
        return "\n".join((*lines, *totals))


def _paths(paths: tuple[str, ...]) -> str:
    return ", ".join(path or "all" for path in paths)


def _why(reasons: tuple[str, ...]) -> str:
    return f"  ({'; '.join(reasons)})" if reasons else ""
