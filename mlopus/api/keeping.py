"""Verbs that keep the cache in order: verified, repaired, pinned, within a budget, clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import PathLike
    from mlopus.api.checking import Hold
    from mlopus.api.keeping_calls import OwnerRef
    from mlopus.domain.cache_report import CacheReport
    from mlopus.domain.checks import CacheCheck
    from mlopus.execution.receipts import Receipt


class KeepingVerbs(ApiCore):
    """What can be done about a cache as a whole. Nothing of it but `repair` asks anybody else."""

    def verify(self, run: OwnerRef | None = None) -> Result[CacheCheck, MlopusError]:
        """Hash what is cached again, and say of every file whether it is what was committed.

        Nobody is asked and nothing is changed; `repair` fetches again what is not sound.

        Args:
            run: A run or a model version, as in `pin`; None is the whole cache, of every server.

        Returns:
            The trees with their files, each "sound", "damaged" or "missing", and as "added" what
            somebody put among them. `is_sound` says whether all are sound, `str` names those that are
            not. What Python keeps in `__pycache__` is not told.

        Fails with:
            NotCached: Nothing of that run or version is cached.
            NotFound: There is no such version.
            StoreFailed: The cache cannot be read.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> print(api.verify().unwrap())
            1 file sound, 0 damaged, 0 missing
            >>> cached.chmod(0o644)
            >>> changed = cached.write_text("ho")
            >>> [(file.path, file.state) for file in api.verify(run).unwrap().files]
            [('', 'damaged')]
        """
        from mlopus.api import checking

        return checking.checked(self, run)

    def repair(self) -> Result[Receipt, MlopusError]:
        """Fetch again what `verify` finds damaged or missing of this server's artifacts.

        Files of a damaged tree that are sound, and that the store proves to be the same, are not
        fetched. Paths that were given keep their content, mended, unless the store has another by now.
        What the store has no more is left as it is, and so is what another server's artifacts are.
        Files that somebody added stay: there may be no other copy of them.

        Returns:
            The receipt; it has no steps if nothing is damaged.

        Fails with:
            OfflineMode: Something is damaged, and this API is offline.
            NotFound: The stores have nothing of what is damaged any more.
            StoreFailed: A store failed, or the cache cannot be written.
            Unavailable: A store did not answer.
            ExecutionStopped: It stopped midway; calling again continues.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> cached.chmod(0o644)
            >>> changed = cached.write_text("ho")
            >>> api.repair().unwrap().down_bytes, run.get_artifact("notes.txt").unwrap().read_text()
            (2, 'hi')
        """
        from mlopus.api import keeping_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(keeping_calls.repair(self), Receipt)

    def gc(
        self, max_bytes: int | None = None, unused_for_s: float | None = None
    ) -> Result[Receipt, MlopusError]:
        """Evict cached artifacts that nothing needs, of every server that shares the cache folder.

        What nothing serves any more goes: trees that a refresh or a cleaning left behind, and what
        dead writers left unfinished. With `unused_for_s` goes what was not used for so long; with
        `max_bytes` the least recently used, until the rest takes no more. Metadata stays.

        It spares what is pinned, what a block of `hold` or the journal holds, what was returned,
        placed or cached within the setting `grace_s` (24 hours), and what links at a recorded
        placement still show. Links whose folder cannot be seen now, as on a disk that is not mounted,
        are named in the plan. `api.plan.gc` shows what would go, and what stays and why.

        Args:
            max_bytes: What all trees together may take on the disk, 0 or more; None is no limit.
            unused_for_s: In seconds, 0 or more; None evicts nothing for its age.

        Returns:
            The receipt; it has no steps if there is nothing to do. A tree that is used between the
            plan and its execution stays; the outcome names it under `spared`.

        Fails with:
            InvalidValue: A number is negative or none.
            UnreadableCache: What is pinned, placed or held cannot be read, so that nothing is evicted.
            StoreFailed: The cache cannot be written.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory(grace_s=0)
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> print(api.plan.gc(max_bytes=0).unwrap().totals.freed_bytes)
            2
            >>> len(api.gc(max_bytes=0).unwrap().steps), api.cache_report().unwrap().total_bytes
            (1, 0)
        """
        from mlopus.api import keeping_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(keeping_calls.gc(self, max_bytes, unused_for_s), Receipt)

    def pin(self, run: OwnerRef, path: str = "") -> Result[Receipt, MlopusError]:
        """Let nothing evict what is cached at, above or below a path, now or later.

        Neither `gc` nor `clean_all_cache` takes it; `clean_cached_run_artifact` still stops serving
        it, since it is asked for by name.

        Args:
            run: A run (an entity or an id) or a model version (an entity, `(name, version)`, or a
                `models:/` URI).
            path: Relative to the run's artifact root, or to the version's own; "" is everything.

        Returns:
            The receipt; it has no steps if it was pinned before.

        Fails with:
            NotCached: Nothing is cached there.
            IllegalPath: It is no plain relative path.
            StoreFailed: The cache cannot be written.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory(grace_s=0)
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> pinned = api.pin(run, "notes.txt").unwrap()
            >>> api.plan.gc(max_bytes=0).unwrap().is_empty
            True
        """
        from mlopus.api import keeping_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(keeping_calls.pin(self, run, path), Receipt)

    def unpin(self, run: OwnerRef, path: str = "") -> Result[Receipt, MlopusError]:
        """Remove the pins at and below a path; what they kept may be evicted again.

        Args:
            run: As in `pin`.
            path: As in `pin`; "" removes all pins of the run or the version.

        Returns:
            The receipt; it has no steps if nothing was pinned there.

        Fails with:
            IllegalPath: It is no plain relative path.
            StoreFailed: The cache cannot be written.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> pinned = api.pin(run, "notes.txt").unwrap()
            >>> len(api.unpin(run).unwrap().steps), len(api.unpin(run).unwrap().steps)
            (1, 0)
        """
        from mlopus.api import keeping_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(keeping_calls.unpin(self, run, path), Receipt)

    def hold(self, path: PathLike) -> Hold:
        """Give a block in which a path of the cache stays, whatever other processes evict.

        Paths stay for the grace time in any case (`grace_s`): this is for work that lasts longer.

        Args:
            path: What `get_run_artifact` or another verb gave, something in it, or a link to that.

        Returns:
            A context manager, whose block is given the path. Entering raises NotCached if the path is
            in no tree of this cache, and StoreFailed if the cache cannot be written.

        Fails with:
            MlopusError: Nothing, before the block is entered.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory(grace_s=0)
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> with api.hold(run.get_artifact("notes.txt").unwrap()) as held:
            ...     api.plan.gc(max_bytes=0).unwrap().is_empty, held.read_text()
            (True, 'hi')
        """
        from mlopus.api.checking import Hold

        return Hold(self, path)

    def cache_report(self) -> Result[CacheReport, MlopusError]:
        """Say what the cache folder holds, by run and by size, and what sharing equal files saved.

        Returns:
            The report, of every server that shares the folder; `str` shows it as a table.

        Fails with:
            UnreadableCache: What is pinned, placed or held cannot be read.
            StoreFailed: The cache cannot be read.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hello"), "a.txt").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hello"), "b.txt").unwrap()
            >>> cached = run.cache_artifact("a.txt").unwrap(), run.cache_artifact("b.txt").unwrap()
            >>> report = api.cache_report().unwrap()
            >>> [(use.paths, use.total_bytes) for use in report.subjects], report.shared_bytes
            ([(('a.txt', 'b.txt'), 5)], 5)
        """
        from mlopus.api import checking

        return checking.report(self)

    def clean_temp_artifacts(self) -> Result[Receipt, MlopusError]:
        """Remove what callbacks wrote into the temporary folder, and no publish took.

        After a failed publish such a folder is kept, to be published again; the failure names it.
        What other living processes made stays. Call it while nothing publishes in this process.

        Returns:
            The receipt; it has no steps if there was nothing.

        Fails with:
            StoreFailed: The folder cannot be read or written.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> plan = api.plan.log_run_artifact("3f2a", lambda path: path.write_text("hi"), "notes.txt")
            >>> print(plan.failure())
            run '3f2a' was not found in memory
            >>> api.clean_temp_artifacts().unwrap().removed_files
            1
        """
        from mlopus.api import keeping_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(keeping_calls.clean_temp_artifacts(self), Receipt)

    def clean_all_cache(self) -> Result[Receipt, MlopusError]:
        """Remove all metadata and artifacts that are cached of this server.

        Paths that were given are gone too, however lately. What is pinned, held, shown by links at a
        recorded placement or needed by unsent writes stays, and the plan names it; so do pins,
        temporary files, and what is cached of other servers in the same folder.

        Returns:
            The receipt; it has no steps if nothing was cached.

        Fails with:
            UnreadableCache: What is pinned, placed or held cannot be read, so that nothing is removed.
            StoreFailed: The cache cannot be written.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> print(api.plan.clean_all_cache().unwrap().totals.evicted_files)
            1
            >>> done = api.clean_all_cache().unwrap()
            >>> type(api.in_offline_mode.get_run_artifact(run, "notes.txt").failure()).__name__
            'NotCached'
        """
        from mlopus.api import keeping_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(keeping_calls.clean_all_cache(self), Receipt)
