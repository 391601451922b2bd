from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlopus.domain.origin import Origin
from mlopus.repositories.claims import may_take, named_now
from mlopus.repositories.memory.journal import MemoryJournal
from mlopus.repositories.sqlite.journal import SqliteJournal
from mlopus.testing.contracts.journal import JournalCase, JournalContract

HERE, THERE = Origin.of("http://127.0.0.1:5000"), Origin.of("http://127.0.0.1:5000", "other")
NAME_OF_THIS_PROCESS = "from mlopus.repositories.claims import named_now; print(named_now())"


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def case(self) -> JournalCase:
        journal = MemoryJournal()
        return JournalCase(
            journal=journal,
            as_process=lambda name: MemoryJournal(name, journal.tables),
            other=MemoryJournal(),
        )


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> JournalCase:
        folder = str(tmp_path)
        return JournalCase(
            journal=SqliteJournal(folder, HERE),
            as_process=lambda name: SqliteJournal(folder, HERE, name),
            other=SqliteJournal(folder, THERE),
            reopened=lambda: SqliteJournal(folder, HERE),
        )

    def test_nothing_is_made_before_something_is_queued(self, case: JournalCase, tmp_path: Path) -> None:
        case.waiting()
        case.journal.drop((1,)).unwrap()

        assert list(tmp_path.iterdir()) == []


def test_a_claim_of_a_dead_process_of_this_machine_is_free() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NAME_OF_THIS_PROCESS], check=True, capture_output=True, text=True
    )

    assert may_take(done.stdout.strip(), "me", take_over=False)


def test_a_claim_of_a_living_process_of_this_machine_is_not() -> None:
    assert named_now().split("-")[1] == str(os.getpid())
    assert not may_take(named_now(), "me", take_over=False)
