"""The decision records are complete, indexed, and held by things that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORDS = sorted((ROOT / "adr").glob("[0-9]*.md"))
INDEX = (ROOT / "adr" / "README.md").read_text()
PROJECT = (ROOT / "pyproject.toml").read_text()
PARTS = ["Context", "Decision", "Rejected", "Consequences", "Held by", "Revisit when"]

every_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)


def held_by(record: Path) -> str:
    return record.read_text().partition("\n## Held by\n")[2].partition("\n## ")[0]


def missing(text: str) -> list[str]:
    """What a text names and nobody has: files by path, and contracts of import-linter by name."""
    paths = re.findall(r"`((?:mlopus|tests|adr)/[\w./-]+)`", text)
    contracts = re.findall(r'contract "([^"]+)"', " ".join(text.split()))
    lost = [path for path in paths if not (ROOT / path).exists()]
    return lost + [name for name in contracts if f'name = "{name}"' not in PROJECT]


def test_no_two_records_have_the_same_number() -> None:
    numbers = [int(record.name[:4]) for record in RECORDS]

    assert numbers == sorted(set(numbers))


@every_record
def test_a_record_has_a_title_a_status_and_every_part(record: Path) -> None:
    lines = record.read_text().splitlines()

    assert re.match(rf"# {int(record.name[:4])}\. \w", lines[0])
    assert re.fullmatch(r"Status: (accepted|superseded by \d{4}), \d{4}-\d{2}-\d{2}", lines[2])
    assert [line[3:] for line in lines if line.startswith("## ")] == PARTS


@every_record
def test_a_record_is_in_the_index_by_its_title(record: Path) -> None:
    title = record.read_text().splitlines()[0].partition(". ")[2]

    assert f"| [{record.name[:4]}]({record.name}) | {title} |" in INDEX


@every_record
def test_what_holds_a_decision_exists(record: Path) -> None:
    text = held_by(record)

    assert text.strip()
    assert missing(text) == []


def test_a_file_or_contract_that_nobody_has_is_found() -> None:
    text = '`tests/unit/test_gone.py`, contract "Nobody wrote\n  this", `mlopus/errors.py`'

    assert missing(text) == ["tests/unit/test_gone.py", "Nobody wrote this"]
