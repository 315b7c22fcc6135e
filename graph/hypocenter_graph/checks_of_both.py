"""Checks of what lies between two suspects: their calls, what one leaves of the other's trouble, hosts, time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypocenter.catalog import format_value
from hypocenter.model import ComponentType, MetricKind
from hypocenter_graph.rank import WEIGHTS
from hypocenter_graph.suspect_pair import DECIDES, EARLIER, RELIEVED, SHARED, SHOWS, Check, Pair, check_of
from hypocenter_graph.symptoms import ERRORS, LATENCY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hypocenter.model import Suspect
    from hypocenter_graph.symptoms import Symptom

MOST_EXPLAINED = 0.9
LEAST_EXPLAINED = 0.1
MOST_NAMED = 3
SAME_TIME_S = 15.0
_CALLS = {
    LATENCY: frozenset({MetricKind.LATENCY, MetricKind.EDGE_GAP}),
    ERRORS: frozenset({MetricKind.ERRORS, MetricKind.AVAILABILITY}),
}
_INSTANCES = frozenset({ComponentType.POD, ComponentType.INSTANCE})


def calls(pair: Pair) -> Iterator[Check]:
    """The calls between the two, where nobody measured them: the caller's trouble lies in them, or it does not."""
    for lower, upper in pair.orders:
        way = pair.topology.path(upper.component, lower.component)
        if len(way) < 2 or way[1] in (*pair.topology.hosts.get(way[0], ()), pair.topology.aliases.get(way[0])):
            continue
        for channel, ask in ((LATENCY, _time_calls), (ERRORS, _count_failures)):
            symptom = pair.ranking.symptoms.get((upper.component, channel))
            if symptom is not None and not _known(pair, way[0], way[1], channel):
                shows = SHOWS if (way[1], channel) in pair.ranking.symptoms else DECIDES
                yield check_of(lower, shows, WEIGHTS["network_gap"], ask(pair, symptom, way))


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


def rest(pair: Pair) -> Iterator[Check]:
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
                yield check_of(upper, SHOWS, WEIGHTS[channel], text)


def below(pair: Pair) -> Iterator[Check]:
    """A suspect that stands on the other: whether what else stands there suffers too."""
    for lower, upper in pair.orders:
        if lower.component not in pair.topology.hosts.get(upper.component, ()):
            continue
        if pair.topology.components_type(lower.component) in _INSTANCES:
            text = (
                f"Compare the instances of {upper.component}: if {lower.component} alone is ill, it is that;"
                f" if all are, it is {upper.component}."
            )
            yield check_of(lower, DECIDES, SHARED, text)
            continue
        beside = [g for g in pair.topology.guests.get(lower.component, ()) if g != upper.component]
        shows = SHOWS if any(g in pair.ranking.seen.own for g in beside) else DECIDES
        yield check_of(lower, shows, SHARED, _host_text(lower.component, upper.component, sorted(beside)))


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


def order(pair: Pair) -> Iterator[Check]:
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
        yield check_of(pair.first, DECIDES, EARLIER, text)


def _onset(suspect: Suspect) -> datetime | None:
    return min((item.onset for item in suspect.evidence if item.supports and item.onset), default=None)


def relief(pair: Pair) -> Iterator[Check]:
    """What is left when all was observed: to take the first out of the way."""
    first, second = pair.first.component, pair.second.component
    text = (
        f"Take load off {first} or start one instance of it anew, where that is safe: if the trouble eases, it is"
        f" {first}; if it stays, {second} is next."
    )
    yield check_of(pair.first, SHOWS, RELIEVED, text)
