"""Which series a report should show, and their charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.catalog import describe
from hypocenter_workers.detect.anomalies import draw_chart, score_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from hypocenter.model import Chart, Verdict
    from hypocenter.telemetry import Signals
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.rank import Ranking
    from hypocenter_workers.detect.onset import Onset

MOST_CHARTS = 8
SUSPECTS = 3
PER_SUSPECT = 2


def draw_charts(
    verdict: Verdict, ranking: Ranking, resolved: Signals, start: Onset, neighbours: Sequence[np.datetime64]
) -> tuple[Chart, ...]:
    """Return the charts of the strongest evidence of the first suspects, and of the symptom."""
    chosen = {d.series: d for d in _of_suspects(ranking) + _of_target(verdict, ranking)}
    shown = list(chosen.values())[:MOST_CHARTS]
    scorings = score_tables(resolved.tables, (d.series for d in shown), start.at, neighbours)
    drawn = [draw_chart(scorings, d.series, start.at, describe(d.series, d.before, d.after)) for d in shown]
    return tuple(chart for chart in drawn if chart)


def _of_suspects(ranking: Ranking) -> list[Deviation]:
    told = []
    for scored in ranking.scored[:SUSPECTS]:
        with_series = [finding.deviations[0] for finding, share in scored.findings if finding.deviations and share > 0]
        told += with_series[:PER_SUSPECT]
    return told


def _of_target(verdict: Verdict, ranking: Ranking) -> list[Deviation]:
    if verdict.target is None:
        return []
    felt = [s for (component, _), s in ranking.symptoms.items() if component == verdict.target.component]
    return [max(s.deviations.values(), key=lambda d: abs(d.z)) for s in felt]
