"""What a verdict could not see, said out loud: absent is not healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    seen: set[str] = set()
    for table in resolved.tables:
        reported = np.isfinite(table.values).sum(axis=0)
        for series, live in zip(table.series, reported.tolist(), strict=True):
            if live:
                seen |= {series.component, series.peer or series.component}
    silent = sorted(set(topology.components) - seen)
    if not silent or not resolved.tables:
        return []
    named = ", ".join(silent[:MOST_NAMED]) + (
        f" and {len(silent) - MOST_NAMED} more" if len(silent) > MOST_NAMED else ""
    )
    return [f"no telemetry of its own: {named}"]


def _short(resolved: Signals, start: Onset) -> list[str]:
    found = []
    for table in resolved.tables:
        words = MODALITIES[table.modality]
        windows = split(table.times, start.at)
        references = [r for r in resolved.reference if r.modality == table.modality and len(r.times)]
        if not windows.during.any():
            found.append(f"no {words} after the onset")
        if windows.before.sum() < FEW_ROWS and not references:
            found.append(f"only {int(windows.before.sum())} rows of {words} before the onset to learn normal from")
        if references and all(r.times[-1] >= start.at for r in references):
            found.append(f"the fault-free reference of {words} was recorded after the incident")
    return found
