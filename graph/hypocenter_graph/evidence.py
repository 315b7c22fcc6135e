"""Findings as evidence that a person can check: sentences with numbers in real units, for and against."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.catalog import KINDS, describe, format_value
from hypocenter.model import Evidence
from hypocenter_graph.cleared import TOO_LATE
from hypocenter_graph.symptoms import ERRORS, LEAST_BLAME, Explained, Symptom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hypocenter.model import Series
    from hypocenter_graph.channels import Finding
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.rank import Ranking, Scored

LEAST_EXPLAINED = 0.3
MOST_EVIDENCE = 8
CALLERS = "callers"
OLDER_TROUBLE = timedelta(minutes=5)
LEAST_TELLING = 0.15
HOW_IT_HURTS = frozenset({"latency", "errors", "change"})
FAULT_TYPES = {
    "cpu": "cpu",
    "memory": "memory",
    "disk": "disk",
    "saturation": "saturation",
    "latency": "latency",
    "self_time": "latency",
    "errors": "errors",
    "network_gap": "network",
    "log_missing": "errors",
    "log_surplus": "errors",
    "log_error": "errors",
    "calls_missing": "errors",
    "calls_surplus": "errors",
    "silence": "silence",
    "restarts": "crash",
    "traffic": "traffic",
    "callers": "network",
    "change": "change",
}


def evidence_for(
    scored: Scored, ranking: Ranking, onsets: Mapping[Series, datetime], onset: datetime | None = None
) -> tuple[Evidence, ...]:
    """Return what speaks for a suspect, strongest first, and then what speaks against it."""
    told = [(finding, share) for finding, share in _once_each(scored)[:MOST_EVIDENCE] if share > 0]
    found = [_evidence(finding, share, ranking, onsets) for finding, share in told]
    return (*found, *_against(scored.component, ranking, onsets), *_earlier(scored.component, onsets, onset))


def _once_each(scored: Scored) -> list[tuple[Finding, float]]:
    """Return the findings, those that rest on the same series as one: the first, with the shares of all."""
    kept: dict[object, tuple[Finding, float]] = {}
    for finding, share in scored.findings:
        rests_on = finding.deviations[0].series if finding.deviations else (finding.channel, finding.text)
        first, so_far = kept.get(rests_on, (finding, 0.0))
        kept[rests_on] = (first, so_far + share)
    return sorted(kept.values(), key=lambda found: -found[1])


def _earlier(component: str, onsets: Mapping[Series, datetime], onset: datetime | None) -> list[Evidence]:
    """Say of a component that was unwell well before the incident that its trouble is an older one."""
    own = [at for series, at in onsets.items() if series.component == component]
    if onset is None or not own or onset - min(own) < OLDER_TROUBLE:
        return []
    minutes = (onset - min(own)).total_seconds() / 60
    text = f"{component} was out of its normal {minutes:.0f} min before the incident began"
    return [Evidence("earlier", text, supports=False, onset=min(own))]


def _evidence(finding: Finding, share: float, ranking: Ranking, onsets: Mapping[Series, datetime]) -> Evidence:
    if finding.deviations:
        told = finding.deviations[0]
        return _shown(finding.channel, describe(told.series, told.before, told.after), told, onsets, share)
    blaming = _blaming(finding.component, ranking) if finding.channel == CALLERS else []
    if blaming:
        told = _worst(ranking.symptoms[blaming[0]])
        return _shown(CALLERS, _lost(finding.component, blaming, ranking), told, onsets, share)
    return Evidence(finding.channel, f"{finding.component}: {finding.text}", share=share)


def _shown(
    channel: str, text: str, told: Deviation, onsets: Mapping[Series, datetime], share: float | None = None
) -> Evidence:
    """Return a finding with the numbers of the series that shows it; against a suspect where it has no `share`."""
    return Evidence(
        channel=channel,
        text=text,
        supports=share is not None,
        share=share or 0.0,
        series=told.series.name,
        unit=told.series.unit,
        before=finite(told.before),
        after=finite(told.after),
        onset=onsets.get(told.series),
    )


def _worst(symptom: Symptom) -> Deviation:
    return max(symptom.deviations.values(), key=lambda d: abs(d.z))


def _blaming(component: str, ranking: Ranking) -> list[tuple[str, str]]:
    """Return the symptoms of callers that lie in a component, those that lose most by it first."""
    found = [key for key, e in ranking.explained.items() if e.by == component and e.share >= LEAST_BLAME]
    return sorted(found, key=lambda key: (-_loss(key, ranking), key))


def _loss(key: tuple[str, str], ranking: Ranking) -> float:
    return ranking.explained[key].share * ranking.symptoms[key].impact


def _lost(component: str, blaming: Sequence[tuple[str, str]], ranking: Ranking) -> str:
    """Write what the caller that loses most loses on a component, in all where its requests are counted."""
    caller, channel = blaming[0]
    told = _worst(ranking.symptoms[caller, channel])
    loss, rate = _loss(blaming[0], ranking), ranking.seen.rate(caller)
    what = "failed requests" if channel == ERRORS else "seconds of waiting"
    sizes = format_value(loss, ""), format_value(rate or 0.0, "")
    in_all = f": {sizes[0]} {what} a second, at {sizes[1]} requests a second" if rate is not None else ""
    others = len({other for other, _ in blaming} - {caller})
    beside = f" ({others} more of its callers lose on it too)" if others else ""
    moved = describe(told.series, told.before, told.after)
    return f"{moved}, {ranking.explained[caller, channel].share:.0%} of that on {component}{in_all}{beside}"


def _against(component: str, ranking: Ranking, onsets: Mapping[Series, datetime]) -> list[Evidence]:
    """Say how much of a suspect's trouble another explains, and that a change of it came too late."""
    found = [
        _shown("exoneration", exoneration(ranking.symptoms[key], explained), _worst(ranking.symptoms[key]), onsets)
        for key, explained in ranking.explained.items()
        if key[0] == component and explained.share >= LEAST_EXPLAINED
    ]
    late = [c.finding for c in ranking.cleared if c.test == TOO_LATE and c.finding.component == component]
    return found + [Evidence("change", f"{component}: {change.text}", supports=False) for change in late]


def exoneration(symptom: Symptom, explained: Explained) -> str:
    """Write how much of a component's trouble another explains: `checkout +390 ms, 98% explained by payment`."""
    told = max(symptom.deviations.values(), key=lambda d: abs(d.change))
    what = " failed" if symptom.channel == ERRORS else ""
    size = format_value(abs(told.change), told.series.unit)
    return f"{symptom.component} +{size}{what}, {explained.share:.0%} explained by {explained.by}"


def fault_type_of(scored: Scored) -> str:
    """Name the class of fault by the weightiest finding: one that says what broke before one that says how it hurts."""
    told = [(FAULT_TYPES[f.channel], share) for f, share in scored.findings if f.channel in FAULT_TYPES]
    mechanisms = [kind for kind, share in told if kind not in HOW_IT_HURTS and share >= LEAST_TELLING]
    if mechanisms or told:
        return (mechanisms or [kind for kind, _ in told])[0]
    others = [f.deviations[0].series for f, _ in scored.findings if f.deviations]
    return KINDS[others[0].kind].fault_type if others else "unknown"


def finite(value: float) -> float | None:
    """Return the value, or None where there is none."""
    return value if math.isfinite(value) else None
