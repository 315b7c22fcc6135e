"""What a verdict could not see, said out loud: absent is not healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import ComponentType, DependencyType
from hypocenter_workers.detect.windows import split

if TYPE_CHECKING:
    from hypocenter.telemetry import Case, Signals
    from hypocenter_graph.topology import Topology
    from hypocenter_workers.detect.onset import Onset

FEW_ROWS = 10
MOST_NAMED = 5
MODALITIES = {"metrics": "metrics", "traces": "traces", "logs": "log lines"}


def blind_spots(case: Case, resolved: Signals, topology: Topology, start: Onset | None) -> tuple[str, ...]:
    """Return what was missing, short or recorded at the wrong time, one sentence each."""
    spots = [*case.notes, *resolved.notes, *_absent(resolved), *_unobserved(resolved, topology)]
    if not topology.dependencies:
        spots.append("no dependency graph: suspects are ranked by their own trouble alone")
    if start is not None:
        spots += _short(resolved, start)
    return tuple(dict.fromkeys(spots))


def _absent(resolved: Signals) -> list[str]:
    present = {table.modality for table in resolved.tables if table.series}
    return [f"no {words} were given" for modality, words in MODALITIES.items() if modality not in present]


def _unobserved(resolved: Signals, topology: Topology) -> list[str]:
    own: set[str] = set()
    by_others: set[str] = set()
    for table in resolved.tables:
        reported = np.isfinite(table.values).sum(axis=0)
        for series, live in zip(table.series, reported.tolist(), strict=True):
            if live:
                own |= {series.component} if series.peer is None else set()
                by_others |= {series.component, series.peer} if series.peer else set()
    inside = {c.name for c in topology.components.values() if c.type is not ComponentType.EXTERNAL}
    if not resolved.tables:
        return []
    return [
        *_named("no telemetry at all", inside - own - by_others - _reported_as_one(topology, own)),
        *_named("no telemetry of its own, known only through its callers", (inside & by_others) - own),
    ]


def _reported_as_one(topology: Topology, own: set[str]) -> set[str]:
    """Return pods and instances whose telemetry goes by the name of the workload that they are of."""
    return {d.caller for d in topology.dependencies if d.type is DependencyType.INSTANCE_OF and d.callee in own}


def _named(what: str, components: set[str]) -> list[str]:
    names = sorted(components)
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return [f"{what}: {', '.join(names[:MOST_NAMED])}{more}"]


def _short(resolved: Signals, start: Onset) -> list[str]:
    found = []
    for table in resolved.tables:
        words = MODALITIES[table.modality]
        windows = split(table.times, start.at)
        references = [r for r in resolved.reference if r.modality == table.modality and len(r.times)]
        if not windows.during.any():
            found.append(f"no {words} after the onset")
        if windows.before.sum() < FEW_ROWS and not references:
            few = f"only {windows.before.sum()} rows of" if windows.before.any() else "no"
            found.append(f"{few} {words} before the onset to learn normal from")
        if references and all(r.times[-1] >= start.at for r in references):
            found.append(f"the fault-free reference of {words} was recorded after the incident")
    return found
