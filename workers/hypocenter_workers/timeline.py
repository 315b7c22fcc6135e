"""What happened when: the dated facts of an incident, in order."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.catalog import describe
from hypocenter.model import TimelineEntry
from hypocenter_graph.event_words import of_change

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.model import Anomaly, ChangeEvent, Incident, Series

MOST_ENTRIES = 60
CHANGES_BEFORE = timedelta(hours=2)


def first_onsets(incident: Incident) -> tuple[dict[Series, datetime], dict[str, datetime]]:
    """Return when each series, and when each component, first left its normal.

    What a component waits for another is that other's trouble, so its calls do not date it.
    """
    by_series = {a.series: a.onset for a in incident.anomalies}
    by_component: dict[str, datetime] = {}
    for anomaly in (a for a in incident.anomalies if a.series.peer is None):
        name = anomaly.series.component
        by_component[name] = min(anomaly.onset, by_component.get(name, anomaly.onset))
    return by_series, by_component


def timeline(incident: Incident, changes: Sequence[ChangeEvent]) -> tuple[TimelineEntry, ...]:
    """Return changes, the onset, each component's first anomaly and the alerts, in order of time."""
    entries = [_change(event) for event in changes if _near(event, incident)]
    if incident.onset is not None:
        entries.append(TimelineEntry(incident.onset, "onset", "", "the incident begins"))
    first: dict[str, Anomaly] = {}
    for anomaly in sorted(incident.anomalies, key=lambda a: (a.onset, -a.score)):
        first.setdefault(anomaly.series.component, anomaly)
    entries += [TimelineEntry(a.onset, "anomaly", c, describe(a.series, a.expected, a.value)) for c, a in first.items()]
    entries += [
        TimelineEntry(a.at, "alert", a.component, a.summary or f"{a.name} {a.state}".strip())
        for a in incident.alerts
        if a.at is not None
    ]
    ordered = sorted(entries, key=lambda e: (e.at, e.type, e.component, e.text))
    return tuple(ordered[:MOST_ENTRIES])


def _near(event: ChangeEvent, incident: Incident) -> bool:
    return incident.onset is None or event.at >= incident.onset - CHANGES_BEFORE


def _change(event: ChangeEvent) -> TimelineEntry:
    return TimelineEntry(event.at, "change", event.component, of_change(event))
