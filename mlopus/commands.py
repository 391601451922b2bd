"""Commands for people about the cache on this disk: is it sound, what does it hold, what may go, what waits.

Each works offline, on the cache that `connect` would use; `flush` alone asks the server. What is printed
is for people; programs take the verbs of the API.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

from mlopus.result import Failure

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi
    from mlopus.errors import MlopusError

Command: TypeAlias = "Callable[[MlflowApi, argparse.Namespace, TextIO], MlopusError | bool]"
"""Prints what it found; answers whether all is well, or why it could not tell."""


class Commands(Protocol):
    """Where commands are added: what `ArgumentParser.add_subparsers` gives."""

    def add_parser(self, name: str, /, *, help: str, description: str) -> argparse.ArgumentParser:  # noqa: A002 (its name)
        """A parser of a command's own."""
        ...


ALL_WELL, NOT_WELL, COULD_NOT = 0, 1, 2
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGTP]i?)?B?", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h|d|w)?", re.IGNORECASE)
_POWERS = {letter: power for power, letter in enumerate("kmgtp", start=1)}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def size_bytes(text: str) -> int:
    """A size as people write it, in bytes.

    Raises:
        argparse.ArgumentTypeError: It is none.

    Example:
        >>> size_bytes("1500"), size_bytes("2KiB"), size_bytes("1.5 GB")
        (1500, 2048, 1500000000)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 500MB or 50GiB")
    unit = (found[2] or "").lower()
    base = 1024 if unit.endswith("i") else 1000
    return int(float(found[1]) * base ** _POWERS.get(unit[:1], 0))


def span_s(text: str) -> float:
    """A span of time as people write it, in seconds.

    Raises:
        argparse.ArgumentTypeError: It is none.

    Example:
        >>> span_s("90"), span_s("2h"), span_s("30 d")
        (90.0, 7200.0, 2592000.0)
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time such as 12h or 30d")
    return float(found[1]) * _SECONDS[(found[2] or "s").lower()]


def add_commands(commands: Commands) -> None:
    """Add the commands to a program's own."""
    verify = _add(commands, "verify", _verify, "hash what is cached again, and name what is not sound")
    verify.add_argument("run", nargs="?", help="a run's id or a models:/ URI; default: the whole cache")
    gc = _add(commands, "gc", _gc, "show what garbage collection would evict, and what it keeps and why")
    gc.add_argument("--max-bytes", type=size_bytes, help="what the cache may take, such as 50GiB")
    gc.add_argument("--unused-for", type=span_s, help="evict what was not used for so long, such as 30d")
    gc.add_argument("--yes", action="store_true", help="do it")
    _add(commands, "report", _report, "show what the cache holds, by run and by size")
    pending = _add(commands, "pending", _pending, "show what was written offline and is not sent yet")
    pending.add_argument(
        "--plans", action="store_true", help="also the plan of sending each, as far as it is known"
    )
    flush = _add(commands, "flush", _flush, "send what was written offline to the server")
    flush.add_argument("--mark-dead", action="store_true", help="end runs as FAILED whose process died")
    flush.add_argument(
        "--take-over", action="store_true", help="also send what a process elsewhere claimed, that is gone"
    )


def _add(commands: Commands, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--cache-dir", help="the cache's folder; default: as connect, MLOPUS_CACHE_DIR")
    parser.add_argument("--tracking-uri", help="whose artifacts, where a cache is of several servers")
    parser.set_defaults(run_command=command)
    return parser


def run(chosen: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the command that was chosen; answers the exit code: 0, 1 where all is not well, 2 on an error."""
    from mlopus.api.connect import connect  # noqa: PLC0415 (help needs no API)

    place = {} if chosen.cache_dir is None else {"cache_dir": chosen.cache_dir}
    is_offline = chosen.command != "flush"
    api = connect(chosen.tracking_uri, offline_mode=is_offline, progress="off", **place)
    command: Command = chosen.run_command
    answer = command(api, chosen, out)
    if isinstance(answer, bool):
        return ALL_WELL if answer else NOT_WELL
    hint = f" ({answer.hint})" if answer.hint else ""
    print(f"{answer}{hint}", file=err)
    return COULD_NOT


def _verify(api: MlflowApi, chosen: argparse.Namespace, out: TextIO) -> MlopusError | bool:
    checked = api.verify(chosen.run)
    if isinstance(checked, Failure):
        return checked.failure()
    print(checked.unwrap(), file=out)
    return checked.unwrap().is_sound


def _gc(api: MlflowApi, chosen: argparse.Namespace, out: TextIO) -> MlopusError | bool:
    plan = api.plan.gc(chosen.max_bytes, chosen.unused_for)
    if isinstance(plan, Failure):
        return plan.failure()
    print(plan.unwrap(), file=out)
    if plan.unwrap().is_empty:
        return True
    if not chosen.yes:
        print("Nothing was done: --yes does it.", file=out)
        return True
    done = api.execute(plan.unwrap())
    if isinstance(done, Failure):
        return done.failure()
    print(done.unwrap(), file=out)
    return True


def _report(api: MlflowApi, _: argparse.Namespace, out: TextIO) -> MlopusError | bool:
    report = api.cache_report()
    if isinstance(report, Failure):
        return report.failure()
    print(report.unwrap(), file=out)
    return True


def _pending(api: MlflowApi, chosen: argparse.Namespace, out: TextIO) -> MlopusError | bool:
    found = api.pending()
    if isinstance(found, Failure):
        return found.failure()
    for write in found.unwrap():
        print(write, file=out)
        if chosen.plans and write.plan is not None:
            print(write.plan, file=out)
    if not found.unwrap():
        print("nothing waits", file=out)
    return True


def _flush(api: MlflowApi, chosen: argparse.Namespace, out: TextIO) -> MlopusError | bool:
    flushed = api.flush(mark_dead=chosen.mark_dead, take_over=chosen.take_over)
    if isinstance(flushed, Failure):
        return flushed.failure()
    print(flushed.unwrap(), file=out)
    return flushed.unwrap().is_complete
