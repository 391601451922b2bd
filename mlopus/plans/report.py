"""From what a cache holds as a whole to a report of it."""

from __future__ import annotations

from mlopus.domain.cache_report import CacheReport, SubjectUse
from mlopus.domain.manifest import ArtifactSubject
from mlopus.plans.collect import bytes_on_disk, holds_of
from mlopus.plans.keeping import KeepingFacts, TreeFacts


def cache_report(keeping: KeepingFacts) -> CacheReport:
    """What is held, by subject and by size. What trees of two subjects share counts for both."""
    by_subject: dict[tuple[str, ArtifactSubject], dict[str, TreeFacts]] = {}
    paths: dict[tuple[str, ArtifactSubject], list[str]] = {}
    for tree in keeping.trees:
        for entry in tree.entries:
            place = entry.origin_key, entry.subject
            by_subject.setdefault(place, {})[tree.tree_key] = tree
            paths.setdefault(place, []).append(entry.path)
    reasons = holds_of(keeping)
    uses = [
        SubjectUse(
            origin_key=origin_key,
            subject=subject,
            paths=tuple(sorted(paths[origin_key, subject])),
            total_bytes=bytes_on_disk(trees.values()),
            used_at=max(tree.used_at for tree in trees.values()),
            kept_by=tuple(sorted({reasons[key] for key in trees if key in reasons})),
        )
        for (origin_key, subject), trees in by_subject.items()
    ]
    uses.sort(key=lambda use: (-use.total_bytes, use.origin_key, use.subject.kind, use.subject.key))
    total_bytes = bytes_on_disk(keeping.trees)
    served = [tree for tree in keeping.trees if tree.entries]
    return CacheReport(
        subjects=tuple(uses),
        tree_count=len(keeping.trees),
        file_count=sum(len(tree.blobs) for tree in keeping.trees),
        total_bytes=total_bytes,
        shared_bytes=sum(tree.total_bytes for tree in keeping.trees) - total_bytes,
        unserved_bytes=total_bytes - bytes_on_disk(served),
        leftover_bytes=sum(leftover.size_bytes for leftover in keeping.leftovers),
        temporary_bytes=sum(folder.size_bytes for folder in keeping.temporaries),
    )
