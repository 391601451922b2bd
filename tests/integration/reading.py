"""A script: reads an artifact in a loop, and prints after each time what it found, until stdin ends."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import mlopus
from mlopus import or_raise


def main(store: str, cache: str, run_id: str, file_count: int) -> None:
    """Print the one content that all files have, or what is wrong."""
    api = mlopus.connect(store, cache_dir=cache, cache_local_artifacts=True)
    ended = threading.Event()
    threading.Thread(target=wait_for_end, args=(ended,), daemon=True).start()
    while not ended.is_set():
        folder = or_raise(api.get_run_artifact(run_id, "model"))
        print(what_is_in(folder, file_count), flush=True)  # noqa: T201 (this is what it is for)


def wait_for_end(ended: threading.Event) -> None:
    """Tell when nobody writes to stdin any more."""
    sys.stdin.read()
    ended.set()


def what_is_in(folder: Path, file_count: int) -> str:
    """The content that each of the files has; what is missing or mixed."""
    contents = [path.read_text() for path in sorted(folder.rglob("*.txt"))]
    if len(contents) != file_count:
        return f"{len(contents)} files"
    return contents[0] if len(set(contents)) == 1 else f"mixed: {sorted(set(contents))}"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
