"""Writes the views of the API that are mechanical: `api.plan`, `api.raising` and raising handles.

`python -m tests.generate` writes the files; `--check` writes none, names those that are not current
and exits with 1. Nothing of mlopus is imported: it works while what it writes is missing or broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.generation import plans, raising
from tests.generation.sources import ROOT, Source
from tests.generation.targets import MARK, Target, formatted


def generated() -> dict[Path, str]:
    """The text of every file that is generated."""
    client = Source.read("mlopus.api.client", "MlflowApi")
    verbs = [client.imported(name) for name in client.bases]
    planning = [plans.plans_of(source) for source in verbs]
    raising_verbs = [raising.raising_verbs_of(source) for source in verbs]
    handles = [
        Source.read(f"mlopus.handles.{handle.module}", name) for name, handle in raising.HANDLES.items()
    ]
    targets = [*planning, *raising_verbs, *(raising.raising_handle_of(source) for source in handles)]
    return {
        **{target.path: target.text() for target in targets},
        **whole(
            plans.PACKAGE,
            planning,
            "PlanVerbs",
            "The verbs of `MlflowApi` that change something or get one entity, giving plans.",
            "The same arguments give the plan of what the verb would do, as a Result; nothing is done.",
        ),
        **whole(
            raising.API_PACKAGE,
            raising_verbs,
            "RaisingApi",
            "The API whose verbs give values, and raise the error that a Failure would carry.",
            "Handles that come from it stay so; `.results` is the API whose verbs return Results.",
        ),
    }


def whole(package: str, parts: Sequence[Target], name: str, doc: str, more: str) -> dict[Path, str]:
    """The package that makes one class of the classes of its modules."""
    path = ROOT / package.replace(".", "/") / "__init__.py"
    lines = [
        f"{MARK} from mlopus.api.client, which is to be changed instead.",
        f'"""{doc}"""',
        "from __future__ import annotations",
        "from typing import final",
        *(f"from {part.module} import {part.name}" for part in parts),
        f'__all__ = ["{name}"]',
        "@final",
        f"class {name}({', '.join(part.name for part in parts)}):",
        f'    """{doc}\n\n    {more}\n    """',
    ]
    return {path: formatted("\n".join(lines), path)}


def not_current(files: Mapping[Path, str]) -> list[Path]:
    """Those of these files that have another text, and generated files that are none of these."""
    differing = [path for path, text in files.items() if not path.exists() or text_of(path) != text]
    others = [path for path in (ROOT / "mlopus").rglob("*.py") if path not in files]
    return sorted([*differing, *(path for path in others if text_of(path).startswith(MARK))])


def text_of(path: Path) -> str:
    """What a file holds."""
    return path.read_text(encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or name those that are not current."""
    parser = argparse.ArgumentParser(prog="python -m tests.generate", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a file is not current"
    )
    is_check = parser.parse_args(arguments).check
    files = generated()
    outdated = not_current(files)
    for path in outdated:
        if is_check:
            sys.stdout.write(f"not current: {path.relative_to(ROOT)}\n")
        elif path in files:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return 1 if is_check and outdated else 0


if __name__ == "__main__":
    raise SystemExit(main())
