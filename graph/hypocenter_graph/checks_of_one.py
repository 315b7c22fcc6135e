"""Checks that look at one of two suspects: what was not observed of it, what was changed, what it takes from the other.

They have one shape, so they are a table: when a check applies, what it is expected to tell, and its words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.catalog import format_value
from hypocenter.model import ComponentType, MetricKind
from hypocenter_graph.rank import WEIGHTS
from hypocenter_graph.suspect_pair import CHANGED, DECIDES, SHARED, SHOWS, UNDONE, Check, Pair, check_of
from hypocenter_graph.symptoms import LATENCY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypocenter.model import Suspect

    Words = Mapping[str, str]

LOGGED = (MetricKind.LOG_LINES, MetricKind.ERROR_LINES)
ANSWERS = (MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.AVAILABILITY)
WITHOUT_REQUESTS = frozenset({ComponentType.HOST, ComponentType.QUEUE})
USED = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Look:
    """A look at one suspect, `here`, with the `other` in mind.

    `words` returns what the text needs besides the two names, None where the look has nothing to find; `weight` is that
    of the finding it may bring and `shows` how often it would if `here` is the cause.
    """

    words: Callable[[Pair, Suspect, Suspect], Words | None]
    shows: float
    weight: float
    text: str

    def __call__(self, pair: Pair) -> Iterator[Check]:
        """Yield the check of either suspect to which it applies."""
        for here, other in pair.orders:
            words = self.words(pair, here, other)
            if words is not None:
                text = self.text.format(here=here.component, other=other.component, **words)
                yield check_of(here, self.shows, self.weight, text)


def _slow_and_waiting(pair: Pair, here: Suspect, other: Suspect) -> Words | None:
    """A slow component that calls others, and whose own time was not observed."""
    del other
    symptom = pair.ranking.symptoms.get((here.component, LATENCY))
    waits = bool(pair.topology.callees.get(here.component))
    if symptom is None or not waits or pair.observed(here.component, MetricKind.SELF_TIME):
        return None
    told = max(symptom.deviations.values(), key=lambda d: abs(d.change))
    return {"longer": format_value(told.change, told.series.unit)}


def _changed(pair: Pair, here: Suspect, other: Suspect) -> Words | None:
    """What was changed at one of the two and not at the other."""
    del pair
    own, others = (
        [item for item in suspect.evidence if item.channel == "change" and item.supports] for suspect in (here, other)
    )
    return {"what": own[0].text.removeprefix(f"{here.component}: ")} if own and not others else None


def _not_observed(pair: Pair, here: Suspect, other: Suspect) -> Words | None:
    del other
    if pair.outside(here.component) or here.component in pair.ranking.seen.own:
        return None
    alerted = any(item.channel == "alerts" for item in here.evidence)
    return {"known": "alerts alone tell of it" if alerted else "nothing of it was observed"}


def _without_resources(*missing: MetricKind) -> Callable[[Pair, Suspect, Suspect], Words | None]:
    def words(pair: Pair, here: Suspect, other: Suspect) -> Words | None:
        del other
        unseen = tuple(kind for kind in (MetricKind.CPU, MetricKind.MEMORY) if not pair.observed(here.component, kind))
        return None if unseen != missing or pair.outside(here.component) else {}

    return words


def _without_log(pair: Pair, here: Suspect, other: Suspect) -> Words | None:
    del other
    return None if pair.outside(here.component) or pair.observed(here.component, *LOGGED) else {}


def _takes_from_the_other(pair: Pair, here: Suspect, other: Suspect) -> Words | None:
    """Two on one host, of which one uses more than normal."""
    shared = set(pair.topology.hosts.get(here.component, ())) & set(pair.topology.hosts.get(other.component, ()))
    return {"host": min(shared)} if shared and _uses_more(here) and not _uses_more(other) else None


def _uses_more(suspect: Suspect) -> bool:
    return any(item.channel in USED and item.supports for item in suspect.evidence)


def _without_answers(pair: Pair, here: Suspect, other: Suspect) -> Words | None:
    """A component whose answers nobody timed but its callers."""
    del other
    timed = any(d.series.side != "client" for d in pair.ranking.seen.of_kind(here.component, *ANSWERS))
    return None if timed or pair.topology.components_type(here.component) in WITHOUT_REQUESTS else {}


OWN_TIME = Look(
    _slow_and_waiting,
    DECIDES,
    WEIGHTS["self_time"],
    "Trace a slow request through {here}, whose own time was not observed: {longer} more work of its own means that"
    " {here} is slow; as much as usual means that it waits, which speaks for {other}.",
)
CHANGE = Look(
    _changed,
    CHANGED,
    UNDONE,
    "Compare an instance of {here} without its change ({what}), or undo it where that is safe: if the trouble ends"
    " there, it is {here}; if it stays, {other} is next.",
)
ANYTHING = Look(
    _not_observed,
    DECIDES,
    WEIGHTS["callers"],
    "See whether {here} runs at all and how fast it answers, for {known}: down, slow or failing"
    " means {here}; well means {other}.",
)
FAR = ": far from normal since the onset means {here}; as usual speaks for {other}."
RESOURCES = Look(
    _without_resources(MetricKind.CPU, MetricKind.MEMORY),
    SHOWS,
    max(WEIGHTS["cpu"], WEIGHTS["memory"]),
    "Look at the processor and memory of {here}, which were not observed" + FAR,
)
PROCESSOR = Look(
    _without_resources(MetricKind.CPU),
    SHOWS / 2,
    WEIGHTS["cpu"],
    "Look at the processor of {here}, which was not observed" + FAR,
)
MEMORY = Look(
    _without_resources(MetricKind.MEMORY),
    SHOWS / 2,
    WEIGHTS["memory"],
    "Look at the memory of {here}, which was not observed" + FAR,
)
LOG = Look(
    _without_log,
    SHOWS,
    WEIGHTS["log_missing"],
    "Read the log of {here} around the onset, which was not observed: errors of its own or lines that stop coming mean"
    " {here}; nothing new speaks for {other}.",
)
NEIGHBOUR = Look(
    _takes_from_the_other,
    SHOWS,
    SHARED,
    "See whether {other} waits for the processor of {host}, which it shares with {here} (throttling, run queue): if"
    " so, {here} takes it away; if not, {other} is ill by itself.",
)
DIRECTLY = Look(
    _without_answers,
    SHOWS,
    WEIGHTS["latency"],
    "Ask {here} directly, past its callers, for its own answers were not observed: slow or failing means {here}; as"
    " usual speaks for {other}.",
)
