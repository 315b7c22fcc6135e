"""The observation that would best tell the first two suspects apart: what was not seen, and what seeing it would mean.

Every check that applies has two outcomes. How much the better-known of the two suspects would change by its outcome is
counted in bits, and the check that is expected to tell most is proposed (Lindley 1956, "On a measure of the information
provided by an experiment").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.catalog import format_value
from hypocenter.model import ComponentType, MetricKind, NextCheck
from hypocenter_graph.rank import WEIGHTS
from hypocenter_graph.symptoms import ERRORS, LATENCY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from hypocenter.model import Suspect
    from hypocenter_graph.rank import Ranking
    from hypocenter_graph.symptoms import Symptom
    from hypocenter_graph.topology import Topology

LEAST_PROBABLE = 0.02
# Judgements, not measurements: how often a cause shows where it is looked for, when nothing else is known (half the
# time), when what is looked for must lie with one of the two, and when it was changed shortly before.
SHOWS = 0.5
DECIDES = 0.9
CHANGED = 0.7
# The weight that ranking would give what is no channel of its own: how rarely the innocent look the same.
UNDONE = 0.93
SHARED = 0.9
RELIEVED = 0.6
EARLIER = 0.5
MOST_EXPLAINED = 0.9
LEAST_EXPLAINED = 0.1
MOST_NAMED = 3
SAME_TIME_S = 15.0
_RESOURCES = ((MetricKind.CPU, "cpu", "processor"), (MetricKind.MEMORY, "memory", "memory"))
_CALLS = {
    LATENCY: frozenset({MetricKind.LATENCY, MetricKind.EDGE_GAP}),
    ERRORS: frozenset({MetricKind.ERRORS, MetricKind.AVAILABILITY}),
}
_INSTANCES = frozenset({ComponentType.POD, ComponentType.INSTANCE})
_WITHOUT_REQUESTS = frozenset({ComponentType.HOST, ComponentType.QUEUE})


@dataclass(frozen=True, slots=True)
class Check:
    """One possible observation: it comes out against `about` with probability `shows` if that is the cause.

    `strays` is the probability that it does if the other suspect is.
    """

    about: str
    shows: float
    strays: float
    text: str


@dataclass(frozen=True)
class Pair:
    """Two suspects and what is known of them; `orders` is the pair both ways round."""

    first: Suspect
    second: Suspect
    ranking: Ranking
    topology: Topology
    uncertainty_s: float | None

    @property
    def orders(self) -> tuple[tuple[Suspect, Suspect], tuple[Suspect, Suspect]]:
        """The pair and the pair turned around."""
        return (self.first, self.second), (self.second, self.first)

    def observed(self, component: str, *kinds: MetricKind) -> bool:
        """Say whether any series of these kinds is known of the component itself."""
        return bool(self.ranking.seen.of_kind(component, *kinds))

    def bits(self, check: Check) -> float:
        """Return the information that the check is expected to give on which of the two it is."""
        whole = self.first.probability + self.second.probability
        one = self.first if self.first.component == check.about else self.second
        return information(one.probability / whole, check.shows, check.strays)


def next_check(
    ranking: Ranking,
    topology: Topology,
    suspects: Sequence[Suspect],
    causes: Sequence[str] = (),
    uncertainty_s: float | None = None,
) -> NextCheck | None:
    """Return the check expected to tell most of which of the first two suspects it is; deterministic.

    Components in `causes` that are named beside the first are no rivals of it. `uncertainty_s` is how well onsets are
    known, in seconds. None with fewer than two suspects, or when the second is below 2 %.
    """
    rivals = [s for s in suspects[1:] if s.component not in causes]
    if not rivals or not rivals[0].probability >= LEAST_PROBABLE or not suspects[0].probability > 0:
        return None
    pair = Pair(suspects[0], rivals[0], ranking, topology, uncertainty_s)
    checks = [check for find in CHECKS for check in find(pair)]
    best = max(checks, key=lambda check: round(pair.bits(check), 9))
    return NextCheck((pair.first.component, pair.second.component), best.text)


def information(prior: float, shows: float, strays: float) -> float:
    """Return the bits that an outcome is expected to tell of a hypothesis of probability `prior`.

    `shows` and `strays` are the probabilities of the outcome when the hypothesis is true and when it is false.

    >>> information(0.5, 1.0, 0.0), round(information(0.5, 0.9, 0.1), 2), information(0.5, 0.3, 0.3)
    (1.0, 0.53, 0.0)
    """
    mixed = _entropy(prior * shows + (1 - prior) * strays)
    return max(0.0, mixed - prior * _entropy(shows) - (1 - prior) * _entropy(strays))


def _entropy(chance: float) -> float:
    return -sum(p * math.log2(p) for p in (chance, 1 - chance) if p > 0)


def _check(about: Suspect, shows: float, weight: float, text: str) -> Check:
    """A finding of some weight divides the odds of innocence by 1 / (1 - weight), in ranking as here."""
    return Check(about.component, shows, shows * (1 - weight), text)


def _calls(pair: Pair) -> Iterator[Check]:
    """The calls between the two, where nobody measured them: the caller's trouble lies in them, or it does not."""
    for lower, upper in pair.orders:
        way = pair.topology.path(upper.component, lower.component)
        if len(way) < 2 or way[1] in (*pair.topology.hosts.get(way[0], ()), pair.topology.aliases.get(way[0])):
            continue
        for channel, ask in ((LATENCY, _time_calls), (ERRORS, _count_failures)):
            symptom = pair.ranking.symptoms.get((upper.component, channel))
            if symptom is not None and not _known(pair, way[0], way[1], channel):
                shows = SHOWS if (way[1], channel) in pair.ranking.symptoms else DECIDES
                yield _check(lower, shows, WEIGHTS["network_gap"], ask(pair, symptom, way))


def _known(pair: Pair, caller: str, callee: str, channel: str) -> bool:
    """Say whether the calls were measured as the caller sees them, or all of the caller's trouble is explained."""
    explained = pair.ranking.explained.get((caller, channel))
    if explained is not None and explained.by == callee and explained.share > MOST_EXPLAINED:
        return True
    edge = pair.ranking.seen.edges.get((caller, callee), ())
    measured = [d for d in edge if d.series.kind in _CALLS[channel] and math.isfinite(d.change)]
    return any(d.series.side == "client" or d.series.kind is MetricKind.EDGE_GAP for d in measured)


def _time_calls(pair: Pair, symptom: Symptom, way: Sequence[str]) -> str:
    upper, hop, lower = way[0], way[1], way[-1]
    told = max(symptom.deviations.values(), key=lambda d: abs(d.change))
    usual = _usual(pair, hop, told.series.stat)
    slow = format_value(told.change + (usual or 0.0), told.series.unit)
    sound = format_value(usual, told.series.unit) if usual is not None else "as little as usual"
    guilty = f"{lower} is slow" if hop == lower else f"the trouble lies behind it, where {lower} is"
    near = "near " if usual is not None else ""
    return (
        f"Time calls from {upper} to {hop} by hand: near {slow} means that {guilty}; "
        f"{near}{sound} means that {upper} is slow itself or waits for something else."
    )


def _usual(pair: Pair, component: str, stat: str) -> float | None:
    """Return how long the component usually takes to answer, in seconds."""
    known = [d for d in pair.ranking.seen.served(component, MetricKind.LATENCY) if math.isfinite(d.before)]
    alike = [d.before for d in known if d.series.stat == stat] or [d.before for d in known]
    return max(alike, default=None)


def _count_failures(pair: Pair, symptom: Symptom, way: Sequence[str]) -> str:
    del pair
    upper, hop, lower = way[0], way[1], way[-1]
    share = format_value(max(symptom.excess.values()), "share")
    return (
        f"Count the calls from {upper} to {hop} that fail: near {share} of its requests means that {lower} fails them; "
        f"next to none means that {upper} fails by itself."
    )


def _own_time(pair: Pair) -> Iterator[Check]:
    """The time that a slow component spends in itself, where that was not observed."""
    for here, other in pair.orders:
        symptom = pair.ranking.symptoms.get((here.component, LATENCY))
        waits = bool(pair.topology.callees.get(here.component))
        if symptom is None or not waits or pair.observed(here.component, MetricKind.SELF_TIME):
            continue
        told = max(symptom.deviations.values(), key=lambda d: abs(d.change))
        longer = format_value(told.change, told.series.unit)
        text = (
            f"Trace a slow request through {here.component}, whose own time was not observed: {longer} more work of its"
            f" own means that {here.component} is slow; as much as usual means that it waits, which speaks for"
            f" {other.component}."
        )
        yield _check(here, DECIDES, WEIGHTS["self_time"], text)


def _rest(pair: Pair) -> Iterator[Check]:
    """What is left of a caller's trouble where the other suspect explains a part of it."""
    for upper, lower in pair.orders:
        for channel, unit in ((LATENCY, "s"), (ERRORS, "share")):
            explained = pair.ranking.explained.get((upper.component, channel))
            if explained is None or explained.by != lower.component:
                continue
            if LEAST_EXPLAINED <= explained.share <= MOST_EXPLAINED:
                whole = max(pair.ranking.symptoms[upper.component, channel].excess.values())
                text = (
                    f"Find the other {format_value(whole * (1 - explained.share), unit)} of {upper.component}, of whose"
                    f" +{format_value(whole, unit)} {lower.component} explains {explained.share:.0%}: work or failures"
                    f" of its own mean {upper.component}; more calls, retries or waiting mean {lower.component}."
                )
                yield _check(upper, SHOWS, WEIGHTS[channel], text)


def _anything(pair: Pair) -> Iterator[Check]:
    """A suspect of which nothing itself was observed."""
    for here, other in pair.orders:
        outside = pair.topology.components_type(here.component) is ComponentType.EXTERNAL
        if outside or here.component in pair.ranking.seen.own:
            continue
        text = (
            f"See whether {here.component} runs at all and how fast it answers, for nothing of it was observed: down,"
            f" slow or failing means {here.component}; well means {other.component}."
        )
        yield _check(here, DECIDES, WEIGHTS["callers"], text)


def _resources(pair: Pair) -> Iterator[Check]:
    """Processor and memory that were not observed."""
    for here, other in pair.orders:
        missing = [found for found in _RESOURCES if not pair.observed(here.component, found[0])]
        if not missing or pair.topology.components_type(here.component) is ComponentType.EXTERNAL:
            continue
        words = " and ".join(word for _, _, word in missing)
        text = (
            f"Look at the {words} of {here.component}, which {'were' if len(missing) > 1 else 'was'} not observed:"
            f" far from normal since the onset means {here.component}; as usual speaks for {other.component}."
        )
        weight = max(WEIGHTS[channel] for _, channel, _ in missing)
        yield _check(here, SHOWS * len(missing) / len(_RESOURCES), weight, text)


def _log(pair: Pair) -> Iterator[Check]:
    """The log, where no line of it was observed."""
    for here, other in pair.orders:
        outside = pair.topology.components_type(here.component) is ComponentType.EXTERNAL
        if outside or pair.observed(here.component, MetricKind.LOG_LINES, MetricKind.ERROR_LINES):
            continue
        text = (
            f"Read the log of {here.component} around the onset, which was not observed: errors of its own or lines"
            f" that stop coming mean {here.component}; nothing new speaks for {other.component}."
        )
        yield _check(here, SHOWS, WEIGHTS["log_missing"], text)


def _change(pair: Pair) -> Iterator[Check]:
    """What was changed at one of the two and not at the other."""
    for here, other in pair.orders:
        changed = [item for item in here.evidence if item.channel == "change" and item.supports]
        if not changed or any(item.channel == "change" for item in other.evidence):
            continue
        what = changed[0].text.removeprefix(f"{here.component}: ")
        text = (
            f"Compare an instance of {here.component} without its change ({what}), or undo it where that is safe:"
            f" if the trouble ends there, it is {here.component}; if it stays, {other.component} is next."
        )
        yield _check(here, CHANGED, UNDONE, text)


def _below(pair: Pair) -> Iterator[Check]:
    """A suspect that stands on the other: whether what else stands there suffers too."""
    for lower, upper in pair.orders:
        if lower.component not in pair.topology.hosts.get(upper.component, ()):
            continue
        if pair.topology.components_type(lower.component) in _INSTANCES:
            text = (
                f"Compare the instances of {upper.component}: if {lower.component} alone is ill, it is that;"
                f" if all are, it is {upper.component}."
            )
            yield _check(lower, DECIDES, SHARED, text)
            continue
        beside = [g for g in pair.topology.guests.get(lower.component, ()) if g != upper.component]
        shows = SHOWS if any(g in pair.ranking.seen.own for g in beside) else DECIDES
        yield _check(lower, shows, SHARED, _host_text(lower.component, upper.component, sorted(beside)))


def _host_text(host: str, guest: str, beside: Sequence[str]) -> str:
    if not beside:
        return (
            f"See what uses {host} up: anything but {guest} means {host}; {guest} itself means that the fault is there."
        )
    named = ", ".join(beside[:MOST_NAMED]) + (", ..." if len(beside) > MOST_NAMED else "")
    return (
        f"See whether what else runs on {host} ({named}) is slow or short of anything too: then it is {host};"
        f" if {guest} is alone with it, it is {guest}."
    )


def _neighbours(pair: Pair) -> Iterator[Check]:
    """Two on one host, of which one uses more than normal."""
    shared = set(pair.topology.hosts.get(pair.first.component, ())) & set(
        pair.topology.hosts.get(pair.second.component, ())
    )
    for here, other in pair.orders:
        if not shared or not _uses_more(here) or _uses_more(other):
            continue
        text = (
            f"See whether {other.component} waits for the processor of {min(shared)}, which it shares with"
            f" {here.component} (throttling, run queue): if so, {here.component} takes it away;"
            f" if not, {other.component} is ill by itself."
        )
        yield _check(here, SHOWS, SHARED, text)


def _uses_more(suspect: Suspect) -> bool:
    return any(item.channel in ("cpu", "memory") and item.supports for item in suspect.evidence)


def _order(pair: Pair) -> Iterator[Check]:
    """Which of two left its normal first, where the data are too coarse to say."""
    onsets = _onset(pair.first), _onset(pair.second)
    if onsets[0] is None or onsets[1] is None:
        return
    apart = abs((onsets[0] - onsets[1]).total_seconds())
    known_to = max(pair.uncertainty_s or 0.0, SAME_TIME_S)
    if apart <= known_to:
        text = (
            f"Look at {pair.first.component} and {pair.second.component} in finer steps around"
            f" {min(onsets[0], onsets[1]):%H:%M:%S} UTC, for they began {apart:.0f} s apart and onsets are known to"
            f" ±{known_to:.0f} s: the one that left its normal first is more probable."
        )
        yield _check(pair.first, DECIDES, EARLIER, text)


def _onset(suspect: Suspect) -> datetime | None:
    return min((item.onset for item in suspect.evidence if item.supports and item.onset), default=None)


def _directly(pair: Pair) -> Iterator[Check]:
    """A component whose answers nobody timed, asked past its callers."""
    answers = (MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.AVAILABILITY)
    for here, other in pair.orders:
        if pair.topology.components_type(here.component) in _WITHOUT_REQUESTS or any(
            d.series.side != "client" for d in pair.ranking.seen.of_kind(here.component, *answers)
        ):
            continue
        text = (
            f"Ask {here.component} directly, past its callers, for its own answers were not observed: slow or failing"
            f" means {here.component}; as usual speaks for {other.component}."
        )
        yield _check(here, SHOWS, WEIGHTS["latency"], text)


def _relief(pair: Pair) -> Iterator[Check]:
    """What is left when all was observed: to take the first out of the way."""
    first, second = pair.first.component, pair.second.component
    text = (
        f"Take load off {first} or start one instance of it anew, where that is safe: if the trouble eases, it is"
        f" {first}; if it stays, {second} is next."
    )
    yield _check(pair.first, SHOWS, RELIEVED, text)


CHECKS: tuple[Callable[[Pair], Iterator[Check]], ...] = (
    _calls,
    _own_time,
    _below,
    _change,
    _anything,
    _resources,
    _log,
    _neighbours,
    _rest,
    _directly,
    _order,
    _relief,
)
