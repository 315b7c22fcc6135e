"""What the Prometheus-compatible endpoints know: scores and bands of series, and incidents that are open."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from hypocenter.api.query.bands import NAME, Room, Selector, Span, answered, milliseconds, settled
from hypocenter.api.query.sources import QuerySources
from hypocenter.errors import InputError
from hypocenter.stores.documents import moment
from hypocenter.stores.live_incidents import LiveIncident

Labels = Mapping[str, str]
# As Prometheus does, a series is as it was for five minutes after its last sample.
LOOKBACK_MS = 300_000
MOST_INCIDENTS, MOST_VALUES = 500, 200_000
MICROSECONDS = 1000
INCIDENT_OPEN = "hypocenter_incident_open"
COLUMNS = {
    "hypocenter_value": "value",
    "hypocenter_anomaly_score": "score",
    "hypocenter_expected_lower": "lower",
    "hypocenter_expected_upper": "upper",
}
HELP = {
    "hypocenter_value": "What was measured, in the unit of the label.",
    "hypocenter_anomaly_score": "-log10 of the chance of something as unusual; the highest since the point before.",
    "hypocenter_expected_lower": "Where the band of what is normal ends below.",
    "hypocenter_expected_upper": "Where the band of what is normal ends above.",
    INCIDENT_OPEN: "1 while an incident that the component is part of is open.",
}
LABELS = ("component", "host", "incident_id", "kind", "metric", "peer", "side", "stat", "unit")


class Answers(NamedTuple):
    """Where the endpoints ask."""

    sources: QuerySources
    room: Room


class Told(NamedTuple):
    """One series with a value, or none, at each time of a span."""

    labels: Labels
    values: Sequence[float | None]


async def told(answers: Answers, selector: Selector, span: Span) -> list[Told]:
    """Return the series that a selector matches, at the times of a span; raises InputError for too many."""
    named, rest = _parted(selector)
    span = settled(answers.sources, span._replace(back_ms=LOOKBACK_MS))
    columns = [name for name in named if name in COLUMNS]
    found = await answered(answers.sources, answers.room, [rest] if columns else [], span)
    series = [Told({NAME: name, **one["labels"]}, one[COLUMNS[name]]) for one in found for name in columns]
    if INCIDENT_OPEN not in named:
        return series
    return [*series, *await run_in_threadpool(_open_incidents, answers.sources, rest, span)]


async def labels_of(answers: Answers, selectors: Sequence[Selector], span: Span) -> list[Labels]:
    """Return the labels of the series that any selector matches in a span; raises InputError for too many."""
    listings = [await _listing(answers, selector, span) for selector in selectors]
    return await run_in_threadpool(_distinct, listings)


class _Listing(NamedTuple):
    """What a selector matches: signals, each with these names of metrics, and labels of others."""

    names: Sequence[str]
    signals: Sequence[Labels]
    others: Sequence[Labels]

    def labels(self) -> Iterator[Labels]:
        """Yield the labels of each series."""
        for signal in self.signals:
            yield from ({NAME: name, **signal} for name in self.names)
        yield from self.others


async def _listing(answers: Answers, selector: Selector, span: Span) -> _Listing:
    named, rest = _parted(selector)
    columns = [name for name in named if name in COLUMNS]
    listing = settled(answers.sources, span._replace(step_ms=0))
    signals = await answered(answers.sources, answers.room, [rest] if columns else [], listing)
    is_asked = INCIDENT_OPEN in named
    found = await run_in_threadpool(_incidents, answers.sources, rest, span) if is_asked else []
    return _Listing(columns, signals, [labels for labels, _ in found])


def _distinct(listings: Sequence[_Listing]) -> list[Labels]:
    found = {tuple(sorted(labels.items())): labels for listing in listings for labels in listing.labels()}
    return [found[key] for key in sorted(found)]


def _parted(selector: Selector) -> tuple[list[str], Selector]:
    """Return the names of metrics that a selector lets through, and its other conditions."""
    names = set(HELP)
    for matcher in selector:
        if matcher.label == NAME:
            names &= matcher.kept(names)
    return sorted(names), tuple(matcher for matcher in selector if matcher.label != NAME)


def _open_incidents(sources: QuerySources, selector: Selector, span: Span) -> list[Told]:
    times = range(span.start_ms, span.end_ms + 1, span.step_ms)
    found = [(labels, *_open(incident)) for labels, incident in _incidents(sources, selector, span)]
    if len(found) * span.points > MOST_VALUES:
        raise InputError(f"{len(found)} incidents of {span.points:,} points are too many; take a longer step")
    return [Told(labels, [1.0 if start <= at < end else None for at in times]) for labels, start, end in found]


def _incidents(sources: QuerySources, selector: Selector, span: Span) -> list[tuple[Labels, LiveIncident]]:
    found = []
    for incident in sources.records.incidents.incidents(since=moment(span.start_ms * MICROSECONDS)):
        start, end = _open(incident)
        if start <= span.end_ms and end > span.start_ms:
            found += [(labels, incident) for labels in _of(incident) if _matches(labels, selector)]
    if len(found) > MOST_INCIDENTS:
        raise InputError(
            f"{len(found):,} incidents match, and at most {MOST_INCIDENTS} are answered; ask a shorter time"
        )
    return found


def _of(incident: LiveIncident) -> Iterator[Labels]:
    for component in incident.components:
        yield {NAME: INCIDENT_OPEN, "component": component, "incident_id": incident.incident_id}


def _open(incident: LiveIncident) -> tuple[int, int]:
    end = _NEVER_MS if incident.resolved_at is None else milliseconds(incident.resolved_at)
    return milliseconds(incident.onset), end


_NEVER_MS = 2**62


def _matches(labels: Labels, selector: Selector) -> bool:
    return all(matcher.kept([labels.get(matcher.label, "")]) for matcher in selector)
