"""The parts of a report, each as the words, numbers and drawings that the page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.catalog import FAULT_TYPES, phrase
from hypocenter.report.bars import share_bar
from hypocenter.report.charts import chart_svg
from hypocenter.report.interval_svg import interval_svg
from hypocenter.report.timeline_svg import shape_svg
from hypocenter.report.wording import (
    chance_of_any,
    clean,
    clock,
    duration,
    likelihood,
    listed,
    moment,
    named_causes,
    offset,
    percent,
    plain_words,
    quantity,
    ratio,
    shorten,
)

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.model import Chart, Evidence, Step, Suspect, TimelineEntry, Verdict

MOST_FINDINGS = 8
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the headline: a label, the fact, and what belongs to it in small print."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding: what it says, its numbers, its part of the score, and when it began."""

    text: str
    channel: str
    before: str
    after: str
    ratio: str
    share: str
    bar: str
    when: str


@dataclass(frozen=True, slots=True)
class SuspectView:
    """A suspect with its findings; `more` counts those left out.

    `shown_by` is the kind and the name of the series that shows it best, `without` the counterfactual in words and
    `interval` in a drawing; all are empty where they are not known.
    """

    component: str
    probability: str
    bar: str
    fault_type: str
    score: str
    is_cause: bool
    path: tuple[str, ...]
    supporting: tuple[FindingView, ...]
    opposing: tuple[FindingView, ...]
    more: int
    shown_by: tuple[str, str]
    without: str
    interval: str


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of the propagation; `is_first` and `is_symptom` mark its two ends."""

    component: str
    when: str
    offset: str
    via: str
    text: str
    is_first: bool
    is_symptom: bool


@dataclass(frozen=True, slots=True)
class EntryView:
    """A row of the timeline."""

    when: str
    offset: str
    type: str
    mark: str
    component: str
    text: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """A chart with what stands above and below it."""

    component: str
    title: str
    metric: str
    svg: str
    caption: str


def fault_title(fault_type: str) -> str:
    """Return the catalog's name of a fault type, or the words of an unknown one."""
    known = FAULT_TYPES.get(fault_type)
    return known.title if known else plain_words(fault_type).capitalize()


def headline(verdict: Verdict) -> str:
    """Return the verdict in a few words."""
    causes = [shorten(name, LONGEST_NAME) for name in named_causes(verdict)]
    if not causes:
        return "No confident cause"
    return f"{listed(causes)} {'is the probable cause' if len(causes) == 1 else 'are the probable causes'}"


def lead(verdict: Verdict) -> str:
    """Return the verdict's summary, or one sentence in its place."""
    said = verdict.summary.removeprefix(f"{headline(verdict)}.").strip()
    if said:
        return said
    if not verdict.suspects:
        return "Nothing in this telemetry left its normal far enough to be suspected."
    best = ", ".join(f"{shorten(s.component, 60)} {percent(s.probability)}" for s in verdict.suspects[:3])
    return f"Candidates: {best}." if verdict.abstained else f"Probability of being the cause: {best}."


def facts(verdict: Verdict) -> list[Fact]:
    """Return what the first screen must say beside the headline; several causes have their kinds of fault with them."""
    rows = []
    named = named_suspects(verdict)
    if len(named) > 1:
        rows.append(Fact("How sure", percent(chance_of_any(verdict)), "that at least one of them is a cause"))
    for best in (named or list(verdict.suspects))[: 1 if len(named) < 2 else 0]:
        label = "Best candidate" if verdict.abstained else "How sure"
        note = shorten(best.component, 30) if verdict.abstained else likelihood(best.probability)
        rows += [Fact(label, percent(best.probability), note)]
        rows += [Fact("Kind of fault", fault_title(best.fault_type), _fault_note(best, verdict))]
    rows.append(_onset_fact(verdict))
    if verdict.target is not None:
        rows.append(Fact("Felt at", shorten(verdict.target.component, 40), shorten(verdict.target.metric or "", 40)))
    if verdict.observed:
        spots = _count(len(verdict.blind_spots), "blind spot")
        rows.append(Fact("Observed", _count(len(verdict.observed), "component"), spots))
    return rows


def named_suspects(verdict: Verdict) -> list[Suspect]:
    """Return the suspects that the verdict names as causes."""
    return [suspect for suspect in verdict.suspects if suspect.component in named_causes(verdict)]


def _fault_note(suspect: Suspect, verdict: Verdict) -> str:
    if verdict.abstained:
        return "if it is the cause"
    return f"from {_count(sum(item.supports for item in suspect.evidence), 'finding')}"


def _count(number: int, thing: str) -> str:
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"


def _onset_fact(verdict: Verdict) -> Fact:
    if verdict.onset is None:
        return Fact("Began", "not dated", "no finding shows a beginning")
    day, time = moment(verdict.onset).split(", ")
    within = verdict.onset_uncertainty_s
    note = f"{day}, ±{duration(within)}" if within is not None else day
    return Fact("Began", time, note)


def finding_view(item: Evidence, origin: datetime | None) -> FindingView:
    """Return a finding with its numbers in words; `origin` is the onset of the incident."""
    before, after = quantity(item.before, item.unit), quantity(item.after, item.unit)
    when = "" if item.onset is None else clock(item.onset, origin)
    if item.onset is not None and origin is not None:
        when += f" ({offset(item.onset, origin)})"
    if before and after and before in item.text and after in item.text:
        before = after = ""
    share = percent(item.share) if item.share else ""
    bar = share_bar(item.share, f"{share} of the score", "for" if item.supports else "against") if share else ""
    times = ratio(item.before, item.after)
    return FindingView(item.text, plain_words(item.channel), before, after, times, share, bar, when)


def strongest(verdict: Verdict, most: int = 3) -> list[FindingView]:
    """Return the findings that weigh most for the causes, or for the best candidate when there is none."""
    leading = named_suspects(verdict) or list(verdict.suspects[:1])
    findings = [item for suspect in leading for item in suspect.evidence if item.supports]
    findings.sort(key=lambda item: -item.share if item.share == item.share else 0.0)
    return [finding_view(item, verdict.onset) for item in findings[:most]]


def suspect_view(suspect: Suspect, verdict: Verdict) -> SuspectView:
    """Return a suspect with its findings for and against, the weightiest first."""
    ordered = sorted(suspect.evidence, key=lambda item: -item.share if item.share == item.share else 0.0)
    supporting = [item for item in ordered if item.supports]
    opposing = [item for item in ordered if not item.supports]
    kept = supporting[:MOST_FINDINGS], opposing[:MOST_FINDINGS]
    is_cause = suspect.component in named_causes(verdict)
    label = f"{percent(suspect.probability)} probable"
    return SuspectView(
        component=shorten(suspect.component, LONGEST_NAME),
        probability=percent(suspect.probability),
        bar=share_bar(suspect.probability, label, "cause" if is_cause else "candidate"),
        fault_type=fault_title(suspect.fault_type),
        score=f"{suspect.score:.2f}",
        is_cause=is_cause,
        path=tuple(shorten(name, 40) for name in suspect.path),
        supporting=tuple(finding_view(item, verdict.onset) for item in kept[0]),
        opposing=tuple(finding_view(item, verdict.onset) for item in kept[1]),
        more=len(ordered) - len(kept[0]) - len(kept[1]),
        shown_by=shown_by(suspect),
        without=suspect.counterfactual.text if suspect.counterfactual else "",
        interval=interval_svg(suspect.counterfactual) if suspect.counterfactual else "",
    )


def shown_by(suspect: Suspect) -> tuple[str, str]:
    """Return what kind of series shows a suspect best, and its name without the suspect's own.

    >>> from hypocenter.model import Suspect
    >>> shown_by(Suspect("db", 0.9, 1.0, "errors", series="db|template:checkpoint failed"))
    ('log statement', 'checkpoint failed')
    """
    if suspect.series is None:
        return "", ""
    name = suspect.series.removeprefix(f"{suspect.component}|")
    for prefix, kind in (("template:", "log statement"), ("operation:", "operation")):
        if name.startswith(prefix):
            return kind, clean(name.removeprefix(prefix), LONGEST_NAME)
    return "metric", shorten(name, LONGEST_NAME)


def step_view(step: Step, before: Step | None, verdict: Verdict) -> StepView:
    """Return a step of the propagation; its `via` is shown where neither the step `before` nor its text says so."""
    known = f"{step.text} {before.component if before else step.via}"
    return StepView(
        component=shorten(step.component, LONGEST_NAME),
        when=clock(step.onset, verdict.onset) if step.onset else "",
        offset=offset(step.onset, verdict.onset) if step.onset and verdict.onset else "",
        via=shorten(step.via, 60) if step.via and step.via not in known else "",
        text=step.text,
        is_first=before is None,
        is_symptom=verdict.target is not None and verdict.target.component == step.component,
    )


def entry_view(entry: TimelineEntry, origin: datetime | None) -> EntryView:
    """Return a row of the timeline."""
    since = offset(entry.at, origin) if origin is not None else ""
    where = shorten(entry.component, 60)
    return EntryView(clock(entry.at, origin), since, plain_words(entry.type), shape_svg(entry.type), where, entry.text)


def chart_view(chart: Chart, origin: datetime | None) -> ChartView:
    """Return a chart with its drawing."""
    component, title = shorten(chart.series.component, LONGEST_NAME), clean(phrase(chart.series), LONGEST_NAME)
    svg = chart_svg(chart, origin, f"{component}: {title}")
    known = chart.series.metric.removeprefix("template:") in phrase(chart.series)
    metric = "" if known else shorten(chart.series.metric, LONGEST_NAME)
    return ChartView(component, title, metric, svg, chart.caption)
