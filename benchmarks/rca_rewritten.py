"""Methods of root-cause ranking written from their papers; each takes a frame and scores its components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from rca_frames import best_of
from rca_graphs import calls_without_cycles, deviations, indicator

if TYPE_CHECKING:
    from rca_frames import Frame

    from hypocenter.telemetry import Values

    Scores = dict[str, float]

ALPHA = 0.01
BOOTSTRAPS = 200
BACK = 0.1
DAMPING = 0.85
STEPS = 100
ANOMALOUS = 3.0
SEED = 1


def epsilon_diagnosis(frame: Frame) -> Scores:
    """Rank by the squared correlation of a series before the incident with itself in it, where significant.

    Significant is beyond the 99 % quantile of 200 bootstrap samples of normal rows, each against another series'.
    Source: Shan et al., "epsilon-Diagnosis", WWW 2019.
    """
    window = frame.without_history()
    rows = min(len(window.normal), len(window.incident))
    normal, incident = window.normal[len(window.normal) - rows :], window.incident[:rows]
    found = correlations(normal, incident) ** 2
    picks = np.random.default_rng(SEED).integers(0, rows, (BOOTSTRAPS, *normal.shape))
    samples = np.take_along_axis(np.broadcast_to(normal, picks.shape), picks, axis=1)
    chance = [correlations(sample, np.roll(sample, 1, axis=1)) ** 2 for sample in samples]
    significant = found > np.quantile(chance, 1 - ALPHA, axis=0)
    return best_of(window.series, np.where(significant, found, np.nan))


def ranked_correlation(frame: Frame) -> Scores:
    """Rank by the correlation of a component with the symptom in the window.

    Source: a baseline of Hardt et al., "The PetShop Dataset", CLeaR 2024.
    """
    strength = _likeness(frame)
    return {component: value for component, value in strength.items() if component != frame.symptom}


def traversal(frame: Frame) -> Scores:
    """Rank first what is anomalous, linked to the symptom by anomalous components, and calls nothing anomalous.

    Anomalous is a deviation above 3; equals are ordered by it, and so are all others behind them.
    Source: Chen et al., "CauseInfer", INFOCOM 2014, as described by Hardt et al., CLeaR 2024.
    """
    deviation = _deviation(frame)
    sick = {component for component, value in deviation.items() if value > ANOMALOUS} | {frame.symptom}
    calls = nx.DiGraph(edge for edge in frame.edges if set(edge) <= sick)
    reached = nx.descendants(calls, frame.symptom) | {frame.symptom} if frame.symptom in calls else set()
    last = {one for one in reached if not calls.out_degree(one)}
    most = max(deviation.values(), default=0.0) + 1.0
    return {component: value + most * (component in last) for component, value in deviation.items()}


def random_walk(frame: Frame) -> Scores:
    """Rank by how often a walk is at a component that is drawn to what correlates with the symptom.

    It goes from caller to callee by the callee's correlation, back at a tenth of it, and stays where neither is
    likelier; it begins anew with a chance of 0.15. Source: Kim et al., "MonitorRank", SIGMETRICS 2013.
    """
    strength = _likeness(frame)
    graph = calls_without_cycles(frame)
    places = {component: place for place, component in enumerate(sorted(graph))}
    pull = np.array([strength.get(component, 0.0) for component in sorted(graph)])
    weight = np.zeros((len(pull), len(pull)))
    for caller, callee in graph.edges:
        weight[places[caller], places[callee]] = pull[places[callee]]
        weight[places[callee], places[caller]] = BACK * pull[places[caller]]
    np.fill_diagonal(weight, np.maximum(pull - weight.max(axis=1, initial=0.0), 0.0))
    return dict(zip(sorted(graph), _visits(weight, pull).tolist(), strict=True))


def _visits(weight: Values, pull: Values) -> Values:
    """Return the shares of visits of a walk by `weight` [from, to] that begins anew in proportion to `pull`."""
    begin = pull / pull.sum() if pull.sum() > 0 else np.full(len(pull), 1 / max(len(pull), 1))
    total = weight.sum(axis=1, keepdims=True)
    step = np.where(total > 0, weight / np.where(total > 0, total, 1.0), begin)
    visits = begin
    for _ in range(STEPS):
        visits = DAMPING * visits @ step + (1 - DAMPING) * begin
    return np.asarray(visits)


def correlations(left: Values, right: Values) -> Values:
    """Return Pearson's correlation of each column with the same column of the other table; 0 where one is constant."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    size = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    return np.asarray((left * right).sum(axis=0) / np.where(size > 0, size, 1.0))


def _likeness(frame: Frame) -> Scores:
    """Return how strongly each component's judged series correlates with the symptom's in the window."""
    frame = frame.without_history()
    judged = indicator(frame)
    if frame.symptom not in judged:
        return {}
    felt = frame.values[:, [judged[frame.symptom]]]
    chosen = _judged(frame, judged)
    return best_of([frame.series[place] for place in chosen], np.abs(correlations(frame.values[:, chosen], felt)))


def _deviation(frame: Frame) -> Scores:
    chosen = _judged(frame, indicator(frame))
    return best_of([frame.series[place] for place in chosen], deviations(frame)[chosen])


def _judged(frame: Frame, judged: dict[str, int]) -> list[int]:
    """Return the columns by which components are judged: the indicator, or all series of one that has none."""
    return [place for place, one in enumerate(frame.series) if judged.get(one.component, place) == place]
