"""Where the symptom would be had a suspect stayed normal: its share of the excess along the path, taken away.

The share is that of each call on the way down, multiplied, and uncertain where mean, median and tail disagree. The
level without any excess, and its error, come from whoever knows the series' history.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter.catalog import KINDS, format_value, measure, phrase
from hypocenter.model import Counterfactual
from hypocenter_graph.channels import TAIL_TRUST
from hypocenter_graph.cleared import BY_GUESTS
from hypocenter_graph.symptoms import ERRORS, LATENCY, exonerate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter.model import Series, Target
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.rank import Ranking
    from hypocenter_graph.symptoms import Symptom
    from hypocenter_graph.topology import Topology

    Symptoms = Mapping[tuple[str, str], Symptom]

LEVEL = 0.9
LEAST_SHARE = 0.5
ALL_OF_IT = 0.95
POOR = 1.0


@dataclass(frozen=True, slots=True)
class Blame:
    """How much of a symptom's excess a suspect explains, 0 to 1, along the path: `share`, and at least `low`.

    It may explain all of it: seconds that no call accounts for are nobody's, and so may be the suspect's as well.
    """

    suspect: str
    symptom: Symptom
    share: float
    low: float


@dataclass(frozen=True, slots=True)
class Levels:
    """A series of the symptom over the incident, in its unit: as `observed`, and its `normal`.

    The level without any excess lies between `low` and `high` with probability LEVEL.
    """

    series: Series
    observed: float
    normal: float
    low: float
    high: float


def blames(suspect: str, ranking: Ranking, topology: Topology, target: Target | None) -> list[Blame]:
    """Return what of the symptom, in the ways it is felt, a suspect explains; worst felt first, little left out."""
    felt = _felt(suspect, ranking, topology, target)
    nearer = _towards(suspect, topology) if felt else topology
    found = [_blame(suspect, symptom, ranking, nearer) for symptom in felt]
    return [blame for blame in found if blame.share >= LEAST_SHARE]


def telling(symptom: Symptom) -> list[Deviation]:
    """Return a symptom's deviations, the most telling first."""
    return sorted(symptom.deviations.values(), key=lambda d: (-_trusted(d), d.series.name))


def counterfactual(blame: Blame, levels: Levels) -> Counterfactual | None:
    """Say where the symptom would be without the suspect's deviation, or None where that is not known well enough.

    It is not where the symptom's excess is small beside the errors of the estimate: where the interval is wider than
    the excess itself.
    """
    excess = levels.observed - levels.normal
    telling_sign = next(d.change for d in blame.symptom.deviations.values() if d.series == levels.series)
    ends = sorted((levels.observed - blame.low * excess, levels.normal))
    low, high = ends[0] - (levels.normal - levels.low), ends[1] + (levels.high - levels.normal)
    if excess * telling_sign <= 0 or high - low > POOR * abs(excess):
        return None
    expected = levels.observed - blame.share * excess
    most = 1.0 if levels.series.unit == "share" else float("inf")
    low, expected, high = (min(max(level, 0.0), most) for level in (low, expected, high))
    text = _sentence(blame, levels, (low, expected, high))
    return Counterfactual(levels.series.name, levels.series.unit, levels.observed, expected, low, high, LEVEL, text)


def _sentence(blame: Blame, levels: Levels, ends: tuple[float, float, float]) -> str:
    series = levels.series
    low, expected, high = (format_value(level, series.unit) for level in ends)
    observed = format_value(levels.observed, series.unit)
    what = f"{series.component} {phrase(series)}"
    part = "" if blame.share >= ALL_OF_IT else f"; {blame.suspect} explains {blame.share:.0%} of the excess"
    return (
        f"without {blame.suspect}'s deviation {what} would be at {expected} "
        f"({LEVEL:.0%} interval {low} to {high}), not {observed}{part}"
    )


def _felt(suspect: str, ranking: Ranking, topology: Topology, target: Target | None) -> list[Symptom]:
    """Return the symptoms at the target, or else at the unwell component furthest above the suspect, worst first."""
    above = topology.impact(suspect)
    unwell = {component for component, _ in ranking.symptoms}
    furthest = min(unwell & above.keys(), key=lambda c: (-above[c], c), default=None)
    where = target.component if target else furthest
    stated = KINDS[measure(target.metric).kind].group if target and target.metric else None
    channels = [stated] if stated in (LATENCY, ERRORS) else [LATENCY, ERRORS]
    found = [ranking.symptoms[where, c] for c in channels if where is not None and (where, c) in ranking.symptoms]
    return sorted(found, key=lambda s: (-_trusted(telling(s)[0]), s.channel))


def _trusted(deviation: Deviation) -> float:
    return abs(deviation.z) * TAIL_TRUST.get(deviation.series.stat, 1.0)


def _towards(suspect: str, topology: Topology) -> Topology:
    """Return the part of the topology that leads to the suspect."""
    above = defaultdict(list)
    for component in topology.components:
        for other in topology.leaned_on(component):
            above[other].append(component)
    kept, queue = {suspect}, [suspect]
    while queue:
        new = [c for c in above[queue.pop()] if c not in kept]
        kept.update(new)
        queue += new
    return replace(
        topology,
        callees=_only(topology.callees, kept),
        hosts=_only(topology.hosts, kept),
        draining=_only(topology.draining, kept),
        aliases={name: real for name, real in topology.aliases.items() if real in kept},
    )


def _only(edges: Mapping[str, Iterable[str]], kept: set[str]) -> dict[str, tuple[str, ...]]:
    return {c: tuple(o for o in others if o in kept) for c, others in edges.items() if c in kept}


def _blame(suspect: str, symptom: Symptom, ranking: Ranking, nearer: Topology) -> Blame:
    if symptom.component == suspect:
        own = 1.0 - ranking.explained[suspect, symptom.channel].share
        return Blame(suspect, symptom, own, own)
    if not nearer.leaned_on(symptom.component):
        return Blame(suspect, symptom, 0.0, 0.0)
    above = {key: s for key, s in ranking.symptoms.items() if nearer.leaned_on(key[0]) or key[0] == suspect}
    share = _share(suspect, symptom, above, nearer, ranking)
    stats = sorted(symptom.excess) if len(symptom.excess) > 1 else []
    each = [_share(suspect, symptom, _with_stat(above, stat), nearer, ranking) for stat in stats]
    return Blame(suspect, symptom, share, min([share, *(other for other in each if other > 0)]))


def _share(suspect: str, symptom: Symptom, symptoms: Symptoms, nearer: Topology, ranking: Ranking) -> float:
    """Return what a suspect explains of a symptom: on every call of the way down its share, multiplied."""
    explained = exonerate(symptoms, nearer, ranking.seen)
    share, passed = 1.0, set[str]()
    component, channel = symptom.component, symptom.channel
    while component != suspect:
        if suspect in nearer.hosts.get(component, ()):
            return share * _of_host(component, suspect, ranking, nearer)
        passed.add(component)
        reason = explained.get((component, channel)) or explained.get((component, LATENCY))
        if reason is None or reason.by is None or reason.by in passed:
            return 0.0
        share *= reason.share
        component = reason.by
    return share


def _of_host(guest: str, host: str, ranking: Ranking, nearer: Topology) -> float:
    """Return what a host explains of a guest's trouble: all but what lies in callees elsewhere.

    Nothing where the host's own trouble is mostly what its guests do to it.
    """
    if any(c.share > LEAST_SHARE for c in ranking.cleared if c.finding.component == host and c.test == BY_GUESTS):
        return 0.0
    reasons = [explained for (component, _), explained in ranking.explained.items() if component == guest]
    elsewhere = [e.share for e in reasons if e.by is not None and e.by != host and not nearer.leaned_on(e.by)]
    return 1.0 - max(elsewhere, default=0.0)


def _with_stat(symptoms: Symptoms, stat: str) -> dict[tuple[str, str], Symptom]:
    return {key: _only_stat(symptom, stat) for key, symptom in symptoms.items() if stat in symptom.excess}


def _only_stat(symptom: Symptom, stat: str) -> Symptom:
    return replace(symptom, excess={stat: symptom.excess[stat]}, deviations={stat: symptom.deviations[stat]})
