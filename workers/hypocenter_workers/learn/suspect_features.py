"""What is known of every suspect of an incident, as numbers: the same code for training and for serving.

The core names no component, metric or log statement, so it carries over between systems. No feature knows the label.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import MetricKind
from hypocenter_graph.rank import WEIGHTS
from hypocenter_workers.learn.incident_features import as_decided
from hypocenter_workers.learn.modalities import modalities_of
from hypocenter_workers.learn.signs import LOG, METRIC, TRACE, Sign, signs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values
    from hypocenter_graph.topology import Topology
    from hypocenter_workers.learn.examples import Example

    Columns = dict[str, Values]

MODALITIES = (METRIC, TRACE, LOG)
ROLES = ("callee", "caller", "host", "guest")
FELT = ("prior", METRIC, TRACE, LOG, "latency up", "call failed")
_LEAST_ODDS = 0.01
_DIGITS = 9


@dataclass(frozen=True)
class Suspects:
    """One incident as the ranker of suspects sees it: `core` is [component, feature], named by `CORE`.

    `modalities` are those of the telemetry that it had, of `hypocenter_workers.learn.modalities`.
    """

    incident_id: str
    system: str
    at: datetime | None
    components: tuple[str, ...]
    prior: tuple[float, ...]
    core: Values
    signs: tuple[Sign, ...]
    modalities: frozenset[str]


def suspects_of(example: Example) -> Suspects:
    """Return the suspects of an incident, by name, with what is known of each; what came after `decided_at` is not."""
    seen = as_decided(example)
    scores = {scored.component: scored.score for scored in seen.ranking.scored}
    components = tuple(sorted(scores))
    prior = tuple(scores[component] for component in components)
    signs = signs_of(seen)
    columns = _core(seen, components, prior, signs)
    core = np.column_stack([columns[name] for name in CORE]) if components else np.zeros((0, len(CORE)))
    return Suspects(seen.incident_id, seen.system, seen.at, components, prior, core, signs, modalities_of(seen))


def log_odds(scores: Sequence[float]) -> Values:
    """Return scores of 0 to 1 in log-odds, bounded away from certainty.

    >>> [round(float(x), 2) for x in log_odds([0.0, 0.5, 1.0])]
    [-4.62, 0.0, 4.62]
    """
    bounded = np.asarray(scores, dtype=np.float64)
    return np.asarray(np.log((bounded + _LEAST_ODDS) / (1.0 + _LEAST_ODDS - bounded)))


def _core(example: Example, components: tuple[str, ...], prior: Sequence[float], signs: Sequence[Sign]) -> Columns:
    place = {component: row for row, component in enumerate(components)}
    columns: Columns = {"prior": np.asarray(prior), "prior odds": log_odds(prior)}
    columns |= _channels(example, place) | _explained(example, place)
    columns |= _counts(signs, place)
    relative = {f"{name} {way}": of(columns[name]) for name in RELATIVE for way, of in _WAYS.items()}
    columns |= relative | _around(columns, _neighbours(example.topology, components, place))
    return columns | {"signs": np.full(len(components), float(len(signs)))}


def _channels(example: Example, place: Mapping[str, int]) -> Columns:
    """Return the strength of every channel's finding; NaN where the channel found nothing on anybody."""
    columns = {f"channel {name}": np.full(len(place), math.nan) for name in WEIGHTS}
    for scored in example.ranking.scored:
        for finding, _ in scored.findings:
            column = columns[f"channel {finding.channel}"]
            column[np.isnan(column)] = 0.0
            column[place[scored.component]] = max(column[place[scored.component]], finding.strength)
    return columns


def _explained(example: Example, place: Mapping[str, int]) -> Columns:
    """Return how much of a component's slowness or failures its callees explain; NaN where it has none."""
    columns = {f"explained {channel}": np.full(len(place), math.nan) for channel in ("latency", "errors")}
    for (component, channel), reason in example.ranking.explained.items():
        if component in place:
            columns[f"explained {channel}"][place[component]] = reason.share
    return columns


def _counts(signs: Sequence[Sign], place: Mapping[str, int]) -> Columns:
    columns = {name: np.zeros(len(place)) for name in COUNTED}
    calls: set[tuple[int, int]] = set()
    for sign, rare in zip(signs, _rarity(signs), strict=True):
        row = place.get(sign.component)
        if row is not None:
            _count_own(columns, row, sign, rare)
        asker = place.get(sign.peer) if sign.peer and sign.peer != sign.component else None
        if asker is not None:
            _count_asked(columns, asker, sign, rare)
        if row is not None and asker is not None:
            calls.add((asker, row))
    for asker, row in calls:
        columns["asked"][asker] += 1.0
        columns["askers"][row] += 1.0
    return columns


def _count_own(columns: Columns, row: int, sign: Sign, rare: float) -> None:
    modality = sign.modality if sign.modality in MODALITIES else METRIC
    columns[modality][row] += 1.0
    columns[f"{modality} rarity"][row] += rare
    if modality == METRIC:
        columns[f"{sign.kind} {'down' if sign.down else 'up'}"][row] += 1.0
    if modality == TRACE:
        columns["call failed" if sign.failed else "call slow"][row] += 1.0
        columns["own calls"][row] += sign.peer == sign.component


def _count_asked(columns: Columns, row: int, sign: Sign, rare: float) -> None:
    columns["asked failed" if sign.failed else "asked slow"][row] += 1.0
    columns["asked rarity"][row] += rare


def _rarity(signs: Sequence[Sign]) -> list[float]:
    """Return for each sign how few components show the same: ln(1 + components with a sign / components with it)."""
    showing: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for sign in signs:
        showing[sign.modality, sign.name, sign.state].add(sign.component)
    unwell = len({sign.component for sign in signs})
    return [math.log1p(unwell / len(showing[sign.modality, sign.name, sign.state])) for sign in signs]


def _neighbours(
    topology: Topology, components: Sequence[str], place: Mapping[str, int]
) -> dict[str, list[NDArray[np.intp]]]:
    looked_up = zip(ROLES, (topology.callees, topology.callers, topology.hosts, topology.guests), strict=True)
    return {
        role: [
            np.array([place[c] for c in of.get(component, ()) if c in place], dtype=np.intp) for component in components
        ]
        for role, of in looked_up
    }


def _around(columns: Columns, neighbours: Mapping[str, list[NDArray[np.intp]]]) -> Columns:
    """Return what is felt around each component: the most and the mean over its neighbours, NaN without any."""
    found: Columns = {}
    for role, rows in neighbours.items():
        found[f"{role}s"] = np.array([float(len(row)) for row in rows])
        for name in FELT:
            values = columns[name]
            found[f"{role} most {name}"] = np.array([values[row].max() if len(row) else math.nan for row in rows])
            found[f"{role} mean {name}"] = np.array(
                [np.sort(values[row]).mean() if len(row) else math.nan for row in rows]
            )
    return found


def _share(values: Values) -> Values:
    """Return each value's share of the sum, which does not depend on the order of the components."""
    total = math.fsum(values)
    return values / total if total > 0 else np.zeros(len(values))


def places(values: Values) -> Values:
    """Return how many stand before each, those that tie counting half.

    What differs by the order of a sum alone ties.
    """
    rounded = np.round(values, _DIGITS)
    ordered = np.sort(rounded)
    below, upto = np.searchsorted(ordered, rounded, "left"), np.searchsorted(ordered, rounded, "right")
    return np.asarray(len(values) - upto + (upto - below - 1) / 2.0)


_WAYS: Mapping[str, Callable[[Values], Values]] = {"share": _share, "place": places}
_KINDS = tuple(f"{kind} {way}" for kind in MetricKind for way in ("up", "down"))
_TALLIES = (
    *MODALITIES,
    *(f"{modality} rarity" for modality in MODALITIES),
    "call failed",
    "call slow",
    "own calls",
    "asked failed",
    "asked slow",
    "asked rarity",
    "askers",
    "asked",
)
COUNTED = (*_TALLIES, *_KINDS)
RELATIVE = ("prior", *COUNTED)
CORE = (
    "prior",
    "prior odds",
    *(f"channel {name}" for name in WEIGHTS),
    "explained latency",
    "explained errors",
    *COUNTED,
    *(f"{name} {way}" for name in RELATIVE for way in _WAYS),
    *(f"{role} {of} {name}" for role in ROLES for name in FELT for of in ("most", "mean")),
    *(f"{role}s" for role in ROLES),
    "signs",
)
