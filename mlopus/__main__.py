"""Small commands for people: `python -m mlopus tour`, `verify`, `gc`, `report`, `pending`, `flush`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from mlopus.commands import add_commands, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlopus", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    tour = commands.add_parser("tour", help="do the main job once, printing each plan before it is executed")
    tour.add_argument(
        "--tracking-uri", help="an MLflow server or a folder; default: a store in the tour's folder"
    )
    tour.add_argument("--folder", help="where the tour keeps its files; default: a new temporary folder")
    add_commands(commands)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command != "tour":
            return run(chosen, sys.stdout, sys.stderr)
        from mlopus.tour import run_tour  # noqa: PLC0415 (only for the tour)

        return run_tour(chosen.tracking_uri, chosen.folder, sys.stdout, sys.stderr)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
