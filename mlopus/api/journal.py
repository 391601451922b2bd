"""Verbs of the journal: what was written offline and waits for the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.execution.receipts import Receipt
    from mlopus.plans.journal_reports import FlushReport, PendingWrite


class JournalVerbs(ApiCore):
    """What can be done with writes that wait."""

    def pending(self) -> Result[tuple[PendingWrite, ...], MlopusError]:
        """Give what was written offline and is not sent yet, in order. Nobody is asked.

        Returns:
            The writes that wait, by this process or any other with this cache and server, each with the
            plan of sending it, as far as it can be drawn here.

        Fails with:
            UnreadableCache: The journal is damaged, or of a newer mlopus.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory(journal=True).in_offline_mode
            >>> with mlopus.or_raise(api.start_run(api.get_or_create_exp("demo").unwrap(), "r1")) as run:
            ...     logged = run.log_params({"lr": 0.1}).unwrap()
            >>> [write.verb for write in api.pending().unwrap()]
            ['get_or_create_exp', 'start_run', 'log_params', 'end_run']
        """
        from mlopus.api.waiting import waiting_writes

        return waiting_writes(self)

    def drop(self, entry: int) -> Result[Receipt, MlopusError]:
        """Take a write off the journal, never to be sent, and with it all that depends on it.

        What depends on a write is what names something that it creates: all that was logged to a run,
        say. The plan names them. What the cache shows of new entities goes with them; entities that
        came from the server stay as they are shown until they are fetched again.

        Args:
            entry: The number of the write, as `pending` tells it.

        Returns:
            The receipt.

        Fails with:
            NotFound: No such write waits.
            UnreadableCache: The journal is damaged, or of a newer mlopus.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory(journal=True).in_offline_mode
            >>> model = api.create_model("ranker").unwrap()
            >>> tagged = model.set_tags({"team": "search"}).unwrap()
            >>> print(api.plan.drop(1).unwrap())
            drop entry 1 of the journal                                   offline, 2 stages
              1  drop     entries 1, 2 of the journal  never to be sent
              2  forget   what the cache shows of model 'ranker'
              moves 0 B up · 0 B down · 0 requests · removes nothing
            >>> dropped = api.drop(1).unwrap()
            >>> api.pending().unwrap()
            ()
        """
        from mlopus.api import journal_calls
        from mlopus.api.showing import show_waiting
        from mlopus.execution.receipts import Receipt
        from mlopus.result import Success

        dropped = self._performed(journal_calls.drop(self, entry), Receipt)
        if isinstance(dropped, Success):
            show_waiting(self.repositories, self.settings)
        return dropped

    def flush(self, mark_dead: bool = False, take_over: bool = False) -> Result[FlushReport, MlopusError]:
        """Send what was written offline, in order: each write is planned anew, carried out and settled.

        What the server refuses stays on the journal, with its error, and so does what depends on it;
        everything else is sent. Where nobody answers, the rest stays for the next flush. Nothing is
        sent twice, whatever was lost or killed before: entities are looked for by the id of their
        operation, points are compared with the history. Times are those at which the writes were made.

        One process flushes at a time: the others find its claims. Those of a process of this machine
        that died are taken over.

        Args:
            mark_dead: Also end runs as FAILED, at the time of their last write, that were left RUNNING by
                a process of this machine that died; otherwise they stay RUNNING.
            take_over: Also take what another process has claimed, and, with `mark_dead`, end runs that
                it left. It must be gone: what both send arrives twice.

        Returns:
            What became of each write that waited; the order is that of the journal.

        Fails with:
            OfflineMode: This API is offline.
            UnreadableCache: The journal is damaged, or of a newer mlopus.
            StoreFailed: The cache or the journal cannot be written.
            Unavailable: The server did not answer about a run to be ended; all else is done.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> offline = api.evolve(offline_mode=True, journal=True)
            >>> exp = offline.get_or_create_exp("demo").unwrap()
            >>> with mlopus.or_raise(offline.start_run(exp, "r1")) as run:
            ...     logged = run.log_params({"lr": 0.1}).unwrap()
            >>> [write.fate for write in api.flush().unwrap().writes]
            ['sent', 'sent', 'sent', 'sent']
            >>> api.get_run(run).unwrap().params["lr"], api.pending().unwrap()
            (0.1, ())
        """
        from mlopus.api.flushing import flush

        return flush(self, mark_dead=mark_dead, take_over=take_over)
