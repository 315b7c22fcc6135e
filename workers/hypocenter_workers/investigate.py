"""The story on one screen: signals, detection, correlation, ranking, verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter import signals
from hypocenter.catalog import FAULT_TYPES, measure
from hypocenter.errors import InputError
from hypocenter.model import Investigation, MetricKind, Verdict
from hypocenter.settings import read
from hypocenter.signals import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.components import is_pseudo
from hypocenter_graph.calibration import threshold
from hypocenter_graph.candidates import COVERAGE, candidates, first_holding
from hypocenter_graph.causes import independent_causes, propagation_of_all
from hypocenter_graph.deviation import UNUSUAL
from hypocenter_graph.next_check import next_check
from hypocenter_graph.rank import Context, Ranking, rank, rank_over
from hypocenter_graph.ruled_out import ruled_out
from hypocenter_graph.topology import Topology, build_topology
from hypocenter_graph.verdict import graph_view, suspects_of
from hypocenter_workers.blind_spots import blind_spots
from hypocenter_workers.charts import draw_charts
from hypocenter_workers.correlate import choose_target, correlate
from hypocenter_workers.detect.anomalies import find_anomalies, instant, moment, score_tables
from hypocenter_workers.detect.onset import Onset, find_onsets
from hypocenter_workers.known_graph import topology_around
from hypocenter_workers.learn.examples import Example
from hypocenter_workers.robustness import Basis, ladder, ranking_of, robustness
from hypocenter_workers.starts import Movements, best_start, likeliest, plausible_starts
from hypocenter_workers.timeline import first_onsets, timeline
from hypocenter_workers.without import Telemetry, with_counterfactuals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import numpy as np

    from hypocenter.model import Chart, Component, Dependency, Incident, Suspect, Target, Trial
    from hypocenter.telemetry import Case, Signals
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.rank import Assumed
    from hypocenter_workers.detect.anomalies import Scoring
    from hypocenter_workers.known_graph import KnownGraph
    from hypocenter_workers.learn.examples import Learned

Tell = Callable[[str, int], None]
MOST_SCORED = 400
NUMBERS = {2: "Two", 3: "Three"}


def untold(_step: str, _count: int) -> None:
    """Tell nobody of a step that was done."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the one who asks may state: the start, the graph, the symptom, and how often a named cause must be right.

    `overrides` says what metrics measure where their names mislead, as `hypocenter.catalog.measure` reads it;
    `precision` is the wanted share of named causes that are right; None takes it from the settings. `ladder` says
    whether to try how robust the verdict is, which takes about as long again.
    """

    at: datetime | None = None
    dependencies: tuple[Dependency, ...] | None = None
    target: Target | None = None
    precision: float | None = None
    component_labels: tuple[str, ...] = DEFAULT_COMPONENT_LABELS
    overrides: Mapping[str, Mapping[str, str]] | None = None
    ladder: bool = True


@dataclass(frozen=True)
class Seen:
    """What detection made of a case: the series that moved, their scores and the incident they belong to."""

    deviations: tuple[Deviation, ...]
    scorings: tuple[Scoring, ...]
    incident: Incident
    target: Target | None


@dataclass(frozen=True)
class Ranked:
    """A case up to its ranking, and all that the ranking was made from; `left_open` is what the graph did not say.

    `reordered` says that the order and its probabilities were learned from past incidents.
    """

    resolved: Signals
    start: Onset | None
    moved: Movements
    starts: tuple[Assumed, ...]
    topology: Topology
    left_open: tuple[str, ...]
    seen: Seen
    context: Context
    ranking: Ranking
    reordered: bool = False


def investigate(
    case: Case,
    options: Options,
    graph: KnownGraph | None = None,
    *,
    resolved: Signals | None = None,
    learned: Learned | None = None,
    tell: Tell = untold,
) -> Investigation:
    """Say which component started the incident in `case`, and why. The same arguments give the same verdict.

    A graph that is kept adds the dependencies it knows around the incident, as they were when it began, unless the
    options state the graph. `resolved` are the signals of the case, where somebody has them already. What was `learned`
    from past incidents may re-order the suspects, and says what type of fault it is. `tell` is called with each step
    that was done and how many it was done to; what it raises ends the investigation. Raises InputError when the case
    holds nothing to look at, or when the target is unknown.
    """
    found = _reordered(ranked(case, options, graph, resolved=resolved, tell=tell), case, learned)
    verdict = _verdict(case, found, options)
    verdict = replace(verdict, blind_spots=(*verdict.blind_spots, *found.left_open))
    verdict = replace(verdict, suspects=_with_counterfactuals(verdict, found, _masked(case)))
    if learned is not None:
        verdict = replace(verdict, learned=learned.opinion(_example(case, found, found.topology, found.ranking)))
        tell("type", len(verdict.suspects))
    if options.ladder:
        verdict = replace(verdict, robustness=_robustness(found, verdict.suspects, _ranks(case, found, learned)))
        tell("robustness", len(verdict.robustness))
    return Investigation(verdict, _charts(verdict, found, _masked(case)))


def _charts(verdict: Verdict, found: Ranked, neighbours: tuple[np.datetime64, ...]) -> tuple[Chart, ...]:
    if found.start is None:
        return ()
    return draw_charts(verdict, found.ranking, found.resolved, found.start, neighbours)


def _reordered(found: Ranked, case: Case, learned: Learned | None) -> Ranked:
    if learned is None:
        return found
    ranking = learned.rescore(_example(case, found, found.topology, found.ranking))
    return replace(found, ranking=ranking, reordered=ranking is not found.ranking)


def _example(case: Case, found: Ranked, topology: Topology, ranking: Ranking) -> Example:
    at = moment(found.start.at) if found.start else case.started_at
    return Example(case.case_id, case.system or case.dataset, at, case, topology, ranking)


def _with_counterfactuals(
    verdict: Verdict, found: Ranked, neighbours: tuple[np.datetime64, ...]
) -> tuple[Suspect, ...]:
    if found.start is None:
        return verdict.suspects
    began = [instant(start.onset) for start in found.starts if start.onset]
    starts = tuple(zip(began, found.ranking.weights, strict=True))
    telemetry = Telemetry(found.resolved.tables, found.start.at, neighbours, starts)
    return with_counterfactuals(verdict.suspects, found.ranking, found.topology, verdict.target, telemetry)


def ranked(
    case: Case,
    options: Options,
    graph: KnownGraph | None = None,
    *,
    resolved: Signals | None = None,
    tell: Tell = untold,
) -> Ranked:
    """Rank the components of a case as `investigate` does, and say nothing of them; for fitting and measuring.

    Raises InputError as `investigate` does.
    """
    if resolved is None:
        resolved = signals.resolve(case, component_labels=options.component_labels, overrides=options.overrides)
    tell("signals", sum(len(table.series) for table in resolved.tables))
    moved = Movements(resolved, _masked(case))
    begins = _begins(case, resolved, options)
    topology, left_open = _topology(case, resolved, options, moved, begins, graph)
    _check(case, resolved, topology, options)
    tell("graph", len(topology.components))
    incident = correlate((), case.alerts, moment(begins[0].at) if begins else None, topology)
    target = choose_target(options.target or case.target, incident.alerts, topology)
    context = Context(target, None, case.changes, incident.alerts)
    if not begins:
        ranking = rank((), topology, context)
        return Ranked(resolved, None, moved, (), topology, left_open, Seen((), (), incident, target), context, ranking)
    begin = likeliest(resolved.tables, begins, moved, topology, context)
    moments = plausible_starts(resolved.tables, begin.at)
    starts = moved.around(moments, begin.uncertainty_s)
    ranking, best = rank_over(starts, topology, context)
    tell("ranking", len(ranking.seen.own))
    start = best_start(resolved.tables, moments, best, begin.uncertainty_s)
    seen = _detect(case, resolved, topology, start, starts[best].deviations, target)
    tell("anomalies", len(seen.incident.anomalies))
    context = replace(context, onset=starts[best].onset)
    return Ranked(resolved, start, moved, starts, topology, left_open, seen, context, ranking)


def _ranks(case: Case, found: Ranked, learned: Learned | None) -> Callable[[Basis], Ranking]:
    """Return how a basis is ranked: as the verdict is, from no more than the basis holds."""
    if learned is None:
        return ranking_of

    def learned_order(basis: Basis) -> Ranking:
        seen = replace(case, alerts=basis.context.alerts)
        return learned.rescore(_example(seen, found, basis.topology, ranking_of(basis)))

    return learned_order


def _robustness(found: Ranked, suspects: Sequence[Suspect], rank: Callable[[Basis], Ranking]) -> tuple[Trial, ...]:
    def measured_from(at: np.datetime64) -> tuple[Assumed, ...]:
        return found.moved.around(plausible_starts(tables, at))

    tables = found.resolved.tables
    basis = Basis(found.starts, found.topology, found.context)
    first = suspects[0].component if suspects and suspects[0].score > 0 else None
    return robustness(first, ladder(basis, tables, found.start.at if found.start else None, measured_from), rank)


def _topology(
    case: Case,
    resolved: Signals,
    options: Options,
    moved: Movements,
    begins: Sequence[Onset],
    graph: KnownGraph | None,
) -> tuple[Topology, tuple[str, ...]]:
    if options.dependencies is not None:
        return build_topology((*case.components, *_observed(resolved)), options.dependencies), ()
    seeds = _seeds(case, resolved, options, moved.at(begins[0].at) if begins else ())
    return topology_around(resolved, seeds, moment(begins[0].at) if begins else None, graph)


def _seeds(case: Case, resolved: Signals, options: Options, moved: Sequence[Deviation]) -> Iterator[str]:
    """Yield the components that an incident is about: the symptom, what alerted, then the furthest from its normal."""
    target = options.target or case.target
    if target is not None:
        yield target.component
    yield from (alert.component for alert in case.alerts)
    furthest = sorted(moved, key=lambda d: (-abs(d.z), d.series.name))
    yield from (d.series.component for d in furthest if not is_pseudo(d.series.component))
    yield from (component.name for component in resolved.components)


def _observed(resolved: Signals) -> tuple[Component, ...]:
    own = {s.component for table in resolved.tables for s in table.series}
    return tuple(c for c in resolved.components if c.name in own)


def _check(case: Case, resolved: Signals, topology: Topology, options: Options) -> None:
    if not any(table.series for table in resolved.tables) and not case.alerts:
        raise InputError(f"{case.case_id}: no series, spans, log lines or alerts could be attributed to a component")
    known = {*topology.components, *(s.component for table in resolved.tables for s in table.series)}
    if options.target and options.target.component not in known:
        some = ", ".join(sorted(known)[:5])
        raise InputError(
            f"--target: {options.target.component!r} is no component of {case.case_id}; it has {some}, ..."
        )
    if options.target:
        _check_metric(options.target, resolved)


def _check_metric(target: Target, resolved: Signals) -> None:
    own = {s.metric for table in resolved.tables for s in table.series if s.component == target.component}
    if target.metric and target.metric not in own and measure(target.metric).kind is MetricKind.OTHER:
        some = ", ".join(sorted(own)[:5]) or "none"
        raise InputError(f"--target: {target.component} has no metric {target.metric!r}; it has {some}, ...")


def _begins(case: Case, resolved: Signals, options: Options) -> tuple[Onset, ...]:
    """Return when the incident may have begun, most changes first: as stated, else as found; none for a calm case."""
    if options.at is not None:
        return (Onset(instant(options.at), 0.0),)
    # What fires since before the telemetry begins is another story: nobody noticed this incident by it.
    first = min((table.times[0] for table in resolved.tables if len(table.times)), default=None)
    alerted = min((a.at for a in case.alerts if a.at and (first is None or instant(a.at) >= first)), default=None)
    noticed = instant(alerted) if alerted is not None else None
    found = find_onsets(resolved.tables, resolved.reference, _masked(case), noticed)
    return found if found or noticed is None else (Onset(noticed, 300.0),)


def _corrected(start: Onset | None, options: Options) -> tuple[str, ...]:
    if start is None or options.at is None or moment(start.at) == options.at:
        return ()
    minutes = (options.at - moment(start.at)).total_seconds() / 60
    way = "before" if minutes > 0 else "after"
    off = f"{abs(minutes):.1f} min {way} the stated one"
    return (f"more is explained by a start at {moment(start.at):%H:%M:%S} UTC, {off}",)


def _masked(case: Case) -> tuple[np.datetime64, ...]:
    return tuple(instant(start) for start in case.masked)


def _detect(
    case: Case,
    resolved: Signals,
    topology: Topology,
    start: Onset,
    moved: tuple[Deviation, ...],
    target: Target | None,
) -> Seen:
    furthest = sorted((d for d in moved if abs(d.z) > UNUSUAL), key=lambda d: (-abs(d.z), d.series.name))
    scorings = score_tables(resolved.tables, (d.series for d in furthest[:MOST_SCORED]), start.at, _masked(case))
    incident = correlate(find_anomalies(scorings), case.alerts, moment(start.at), topology)
    return Seen(moved, scorings, incident, target)


def _verdict(case: Case, found: Ranked, options: Options) -> Verdict:
    seen, start, topology, ranking = found.seen, found.start, found.topology, found.ranking
    by_series, by_component = first_onsets(seen.incident)
    suspects = suspects_of(ranking, topology, seen.target, by_series, seen.incident.onset)
    chances = {s.component: s.probability for s in suspects}
    # What was learned says calibrated probabilities, so that the wanted precision itself is a threshold that keeps it.
    least = _wanted(options) if found.reordered else threshold(ranking, _wanted(options))
    causes = independent_causes(ranking, topology, chances, least, by_component, seen.incident.onset)
    reach = topology.distances(seen.target.component) if seen.target else None
    spared = frozenset(s.component for s in suspects[:3])
    keep = [s.component for s in suspects[:5]] + ([seen.target.component] if seen.target else [])
    return Verdict(
        case_id=case.case_id,
        system=case.system,
        suspects=suspects,
        cause=causes[0] if causes else None,
        causes=causes,
        abstained=not causes,
        onset=moment(start.at) if start else None,
        onset_uncertainty_s=start.uncertainty_s if start else None,
        target=seen.target,
        propagation=propagation_of_all(ranking, topology, causes, by_component),
        ruled_out=ruled_out(ranking, spared, reach),
        blind_spots=(*_corrected(start, options), *blind_spots(case, found.resolved, topology, start)),
        timeline=timeline(seen.incident, case.changes),
        graph=graph_view(ranking, topology, suspects, causes, keep),
        summary=_summary(suspects, causes),
        observed=tuple(sorted(c for c in ranking.seen.own if not is_pseudo(c))),
        candidates=first_holding(ranking) if found.reordered else candidates(ranking),
        coverage=COVERAGE,
        wanted_precision=_wanted(options),
        threshold=least,
        next_check=next_check(ranking, topology, suspects, causes, start.uncertainty_s if start else None),
    )


def _wanted(options: Options) -> float:
    return float(read("precision") or 0.0) if options.precision is None else options.precision


def _summary(suspects: Sequence[Suspect], causes: Sequence[str]) -> str:
    if not causes:
        named = ", ".join(f"{s.component} ({s.probability:.0%})" for s in suspects[:3] if s.score > 0)
        return f"No confident cause. Candidates: {named}." if named else "No confident cause: nothing left its normal."
    blamed = [next(s for s in suspects if s.component == cause) for cause in causes]
    if len(blamed) == 1:
        return _sentence(blamed[0], f" ({blamed[0].probability:.0%})")
    told = " ".join(_sentence(suspect) for suspect in blamed)
    chance = sum(suspect.probability for suspect in blamed)
    alone = " or ".join(f"{suspect.component} ({suspect.probability:.0%})" for suspect in blamed)
    return (
        f"{NUMBERS[len(blamed)]} components broke independently: {chance:.0%} that at least one of them is a cause;"
        f" were there only one, it would be {alone}. {told}"
    )


def _sentence(suspect: Suspect, sureness: str = "") -> str:
    reason = next((e.text for e in suspect.evidence if e.supports), "")
    sentence = FAULT_TYPES[suspect.fault_type].sentence.format(component=suspect.component) + sureness
    return f"{sentence}: {reason}." if reason else f"{sentence}."


__all__ = ["Investigation", "Options", "investigate"]
