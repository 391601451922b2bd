"""Run the benchmarks named on the command line, or all: `python -m tests.benchmarks [name …]`."""

from __future__ import annotations

import sys

from tests.benchmarks import growth, hits, journal, place, planning, proxy, runs, s3, search, startup, wire

BENCHMARKS = {
    "startup": startup.main,
    "place": place.main,
    "hits": hits.main,
    "runs": runs.main,
    "s3": s3.main,
    "search": search.main,
    "wire": wire.main,
    "proxy": proxy.main,
    "growth": growth.main,
    "journal": journal.main,
    "planning": planning.main,
}


def main(names: list[str]) -> None:
    """Print each benchmark's table."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
