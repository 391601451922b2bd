"""What steps that export make of facts."""

from __future__ import annotations

from typing import assert_never

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import key_of
from mlopus.plans.bindings import bindings_of
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import CacheFacts, ExportFacts
from mlopus.plans.outcomes import Committed
from mlopus.plans.simulate_bytes import World, committed_to, files_of
from mlopus.plans.steps import Bindings, ExportRows, ExportStep, ExportTree


def simulate_export(world: World, step: ExportStep) -> tuple[World, Bindings]:
    """The world after a step, and what the step binds."""
    export = gathered(world.facts.export, "what the export's folder holds")
    export = attrs.evolve(export, folder=attrs.evolve(export.folder, is_cache=True))
    match step:
        case ExportTree():
            files = files_of(world, step.tree)
            wanted = tuple(files[file.path] for file in step.files)
            held = export.cache or CacheFacts(cache_id=export.folder.cache_id)
            cache, manifest = committed_to(held, step.commit, wanted)
            bound = bindings_of(step, Committed(tree_key=manifest.key, manifest=manifest))
            return _with_export(world, attrs.evolve(export, cache=cache)), bound
        case ExportRows():
            rows = {key_of(row.record): row for row in export.held}
            for row in step.rows:
                there = rows.get(key_of(row.record))
                if there is None or there.as_of <= row.as_of:
                    rows[key_of(row.record)] = row
            return _with_export(world, attrs.evolve(export, held=tuple(rows.values()))), immutabledict()
        case _:
            assert_never(step)


def _with_export(world: World, export: ExportFacts) -> World:
    return world.evolve(attrs.evolve(world.facts, export=export))
