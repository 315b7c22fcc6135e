"""What a fault type is told from: signs of the whole incident, and signs around each component that may be its root.

A feature is a text, `role|what`, with a number. Roles see an incident from a component: what it shows itself, how calls
to it go, and what its callers, callees, hosts and guests show. The core names nothing: kinds of metric, directions,
channels and shares, which mean the same in every system. Local features, `role|=...`, hold names of metrics, operations
and log templates, which mean something in one installation only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter_graph.calibration import probabilities
from hypocenter_graph.channels import strength
from hypocenter_workers.learn.signs import signs_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hypocenter.telemetry import Case
    from hypocenter_graph.topology import Topology
    from hypocenter_workers.learn.examples import Example
    from hypocenter_workers.learn.signs import Sign

Features = dict[str, float]
LOCAL = "|="
MOST_SUSPECTS = 6
LEAST_CHANCE = 0.02
# Alerts are what this channel sums up, and they are counted one by one here.
_COUNTED = frozenset({"alerts"})


@dataclass(frozen=True)
class IncidentFeatures:
    """An incident in numbers: what all of it shows, and what it shows if it began at some component.

    `chances` are the suspects' probabilities of being the root, the likeliest first; they sum to 1 unless there is no
    suspect.
    """

    incident_id: str
    system: str
    began: datetime | None
    counts: Counts
    chances: Mapping[str, float]

    def with_suspects(self, suspects: Mapping[str, float]) -> IncidentFeatures:
        """Return the same incident with other probabilities of being the root."""
        return replace(self, chances=_likeliest(suspects))

    @property
    def ill(self) -> tuple[str, ...]:
        """The components that show something, by name."""
        return tuple(sorted(self.counts.own))


def is_local(feature: str) -> bool:
    """Say whether a feature holds a name that only one installation knows.

    >>> is_local("own|=metric jvm_heap up"), is_local("own|metric memory up")
    (True, False)
    """
    return LOCAL in feature


def features_of(example: Example, suspects: Mapping[str, float] | None = None) -> IncidentFeatures:
    """Turn an incident into numbers; `suspects` are probabilities of being the root, else those of the ranking count.

    What came after `decided_at` is not seen.
    """
    seen = as_decided(example)
    chances = _likeliest(probabilities(seen.ranking) if suspects is None else suspects)
    return IncidentFeatures(seen.incident_id, seen.system, seen.at, Counts(seen), chances)


def as_decided(example: Example) -> Example:
    """Return an incident without the alerts and changes that came after its verdict was due."""
    return example if example.decided_at is None else replace(example, case=decided(example.case, example.decided_at))


def decided(case: Case, due: datetime | None) -> Case:
    """Return a case without the alerts and changes that came after `due`; as it is where no time is given."""
    if due is None:
        return case
    alerts = tuple(a for a in case.alerts if a.at is None or a.at <= due)
    changes = tuple(c for c in case.changes if c.at <= due)
    return replace(case, alerts=alerts, changes=changes)


def _likeliest(suspects: Mapping[str, float]) -> dict[str, float]:
    ordered = sorted(suspects.items(), key=lambda s: (-s[1], s[0]))[:MOST_SUSPECTS]
    kept = {component: chance for component, chance in ordered if chance >= LEAST_CHANCE * ordered[0][1] > 0}
    total = sum(kept.values())
    return {component: chance / total for component, chance in kept.items()}


class Counts:
    """The signs of one incident, counted once by component and then seen from any of them."""

    def __init__(self, example: Example) -> None:
        self.topology: Topology = example.topology
        self.own: dict[str, Counter[str]] = defaultdict(Counter)
        self.named: dict[str, Counter[str]] = defaultdict(Counter)
        self.asked: dict[str, Counter[str]] = defaultdict(Counter)
        self.hit: dict[str, set[str]] = defaultdict(set)
        self.total: Counter[str] = Counter()
        for sign in signs_of(example):
            self._count(sign)
        self.moves = _moves(example)
        self.findings = _findings(example)

    def _count(self, sign: Sign) -> None:
        state = "" if sign.modality == "log" else sign.state
        coarse = f"{sign.modality} {state}"
        self.own[sign.component][coarse] += 1
        self.total[coarse] += 1
        kind = f"{sign.modality} {sign.kind.value} {state}"
        if kind != coarse:
            self.own[sign.component][kind] += 1
        name = f"{sign.modality} {sign.name} {state}"
        self.named[sign.component][name] += 1
        self.hit[name].add(sign.component)
        if sign.peer:
            self.asked[sign.peer][coarse] += 1
            self.asked[sign.peer][f"{LOCAL[1]}{name}"] += 1

    def whole(self) -> Features:
        """Return what the incident shows, wherever it began."""
        found: Counter[str] = Counter()
        for component in self.own:
            found.update({f"all|{what}": n for what, n in self.own[component].items()})
            found.update({f"all{LOCAL}{what}": n for what, n in self.named[component].items()})
        found.update({f"wide|{what}": sum(what in own for own in self.own.values()) for what in self.total})
        found["wide|any"] = len(self.own)
        features = {name: float(value) for name, value in found.items()}
        for moved in self.moves.values():
            for what, size in moved.items():
                features[f"most|{what}"] = max(features.get(f"most|{what}", 0.0), size)
        return features

    def seen_from(self, component: str) -> Features:
        """Return what the incident shows, seen from a component."""
        own = self.own.get(component, Counter())
        found = {f"own|{what}": float(n) for what, n in own.items()}
        found |= {f"own{LOCAL}{what}": float(n) for what, n in self.named.get(component, Counter()).items()}
        found |= {f"asked|{what}": float(n) for what, n in self.asked.get(component, Counter()).items()}
        found |= {f"share|{what}": own[what] / n for what, n in self.total.items() if own[what]}
        found |= {f"moved|{what}": size for what, size in self.moves.get(component, {}).items()}
        found |= {f"finding|{what}": size for what, size in self.findings.get(component, {}).items()}
        found |= self._rarity(component)
        found |= self._around(component)
        return found

    def _rarity(self, component: str) -> Features:
        rare = [1.0 / len(self.hit[name]) for name in self.named.get(component, ())]
        return {
            "own|rarity": sum(rare),
            "own|alone": float(sum(share == 1.0 for share in rare)),
        }

    def _around(self, component: str) -> Features:
        found: Features = {}
        for role, others in _roles(self.topology).items():
            neighbours = others.get(component, ())
            shown: Counter[str] = Counter()
            for other in neighbours:
                shown.update(self.own.get(other, {}))
            found |= {f"{role}|{what}": float(n) for what, n in shown.items()}
            if neighbours:
                found[f"{role}|number"] = float(len(neighbours))
        return found


def _roles(topology: Topology) -> dict[str, Mapping[str, tuple[str, ...]]]:
    return {
        "callers": topology.callers,
        "callees": topology.callees,
        "hosts": topology.hosts,
        "guests": topology.guests,
    }


def _moves(example: Example) -> dict[str, Features]:
    """Return, by component, how far its series of each kind moved each way, on the scale of findings."""
    found: dict[str, Features] = defaultdict(dict)
    for component, deviations in example.ranking.seen.own.items():
        for deviation in deviations:
            size = 1.0 if deviation.silent else strength(abs(deviation.z))
            if size > 0:
                way = "silent" if deviation.silent else "up" if deviation.z > 0 else "down"
                what = f"{deviation.series.kind.value} {way}"
                found[component][what] = max(found[component].get(what, 0.0), size)
    return found


def _findings(example: Example) -> dict[str, Features]:
    """Return, by component, what each channel of the ranking made of it."""
    return {
        scored.component: {f.channel: f.strength for f, _ in scored.findings if f.channel not in _COUNTED}
        for scored in example.ranking.scored
    }
