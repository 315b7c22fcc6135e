"""An investigation as one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypocenter.report.bars import probability_bar
from hypocenter.report.graph_svg import STATES, SUGGESTED, graph_svg, legend_svg
from hypocenter.report.next_steps import next_steps
from hypocenter.report.past_incidents import past_incidents
from hypocenter.report.scales import seconds
from hypocenter.report.sureness import MOST_TRIALS, holding, sureness, trial_views
from hypocenter.report.templates import filled
from hypocenter.report.timeline_svg import SHAPES, shape_svg, timeline_svg
from hypocenter.report.views import (
    chart_view,
    entry_view,
    facts,
    headline,
    lead,
    named_suspects,
    step_view,
    strongest,
    suspect_view,
)
from hypocenter.report.wording import listed, moment, named_causes, plain_words, shorten

if TYPE_CHECKING:
    from hypocenter.model import Investigation, TimelineEntry, Verdict
    from hypocenter.report.views import SuspectView

DETAILED_SUSPECTS = 5
MOST_SUSPECTS = 20
LEAST_SHOWN = 0.005  # what rounds to less than one percent is not named beside the headline
MOST_STEPS = 12
MOST_ENTRIES = 40
MOST_ROWS = 25
MOST_CHARTS = 24


def render(investigation: Investigation) -> str:
    """Return the report: one HTML file without scripts that asks for nothing over a network.

    Everything that came from telemetry is escaped, and lists too long for a page are cut with their rest counted.
    """
    return filled("report.html.j2", ["report.css"], **_parts(investigation))


def _parts(investigation: Investigation) -> dict[str, Any]:
    verdict = investigation.verdict
    way = verdict.propagation[:MOST_STEPS]
    return {
        "verdict": verdict,
        "decided": bool(named_causes(verdict)),
        "source": [shorten(name, 60) for name in (verdict.system, verdict.case_id) if name],
        "title": _title(verdict),
        "headline": headline(verdict),
        "lead": lead(verdict),
        "facts": facts(verdict),
        "sureness": sureness(verdict),
        "causes": _several_causes(verdict),
        # What each probability is of, where several are named.
        "alone": " as the only cause" if len(named_causes(verdict)) > 1 else "",
        "findings": strongest(verdict),
        "told_apart": _told_apart(verdict),
        "next_steps": next_steps(verdict),
        "holding": holding(verdict),
        "trials": trial_views(verdict),
        "more_trials": max(len(verdict.robustness) - MOST_TRIALS, 0),
        "past": past_incidents(verdict),
        "probability_bar": probability_bar(verdict.suspects, named_causes(verdict)),
        **_suspects(verdict),
        "steps": [step_view(*pair, verdict) for pair in zip(way, (None, *way), strict=False)],
        "more_steps": max(len(verdict.propagation) - MOST_STEPS, 0),
        "ruled_out": [
            (shorten(item.component, 60), shorten(item.test, 60), item.reason) for item in verdict.ruled_out[:MOST_ROWS]
        ],
        "more_ruled_out": max(len(verdict.ruled_out) - MOST_ROWS, 0),
        "blind_spots": verdict.blind_spots[:MOST_ROWS],
        "more_blind_spots": max(len(verdict.blind_spots) - MOST_ROWS, 0),
        **_charts(investigation),
        **_timeline(verdict),
        **_graph(verdict),
    }


def _title(verdict: Verdict) -> str:
    when = f" – {moment(verdict.onset)}" if verdict.onset else ""
    where = f" – {shorten(verdict.system, 40)}" if verdict.system else ""
    return f"{headline(verdict)}{where}{when}"


def _several_causes(verdict: Verdict) -> list[SuspectView]:
    """Return the causes to show beside each other; one alone has the whole page."""
    named = named_suspects(verdict)[:DETAILED_SUSPECTS]
    return [suspect_view(suspect, verdict) for suspect in named] if len(named) > 1 else []


def _told_apart(verdict: Verdict) -> str:
    return listed([shorten(name, 30) for name in verdict.next_check.components]) if verdict.next_check else ""


def _suspects(verdict: Verdict) -> dict[str, Any]:
    """Show the first suspects with their findings; those without any finding are only listed."""
    shown = verdict.suspects[:MOST_SUSPECTS]
    detailed = [suspect for suspect in shown[:DETAILED_SUSPECTS] if suspect.evidence]
    likely = [suspect for suspect in shown[:4] if suspect.probability >= LEAST_SHOWN]
    return {
        "suspects": [suspect_view(suspect, verdict) for suspect in detailed],
        "others": [suspect_view(suspect, verdict) for suspect in shown if suspect not in detailed],
        "likely": [suspect_view(suspect, verdict) for suspect in likely],
        "more_suspects": max(len(verdict.suspects) - MOST_SUSPECTS, 0),
    }


def _charts(investigation: Investigation) -> dict[str, Any]:
    """Put a series of the best suspect and one of the symptom on the first screen, the others further down."""
    origin, charts = investigation.verdict.onset, investigation.charts[:MOST_CHARTS]
    first = leading_places(investigation)
    return {
        "leading_charts": [chart_view(charts[place], origin) for place in first],
        "charts": [chart_view(chart, origin) for place, chart in enumerate(charts) if place not in first],
        "more_charts": max(len(investigation.charts) - MOST_CHARTS, 0),
    }


def leading_places(investigation: Investigation) -> list[int]:
    """Return where among the charts the one that shows the best suspect stands, and the symptom's."""
    verdict, target = investigation.verdict, investigation.verdict.target
    series = [chart.series for chart in investigation.charts[:MOST_CHARTS]]
    suspect = verdict.suspects[0] if verdict.suspects else None
    own = [place for place, item in enumerate(series) if suspect and item.component == suspect.component]
    best = sorted(own, key=lambda place: suspect is None or series[place].name != suspect.series)[:1]
    felt = [place for place, item in enumerate(series) if target and item.component == target.component]
    felt = [place for place in felt if place not in best]
    exact = [place for place in felt if target and target.metric in {series[place].metric, series[place].kind}]
    return best + (exact or felt)[:1]


def chosen_entries(verdict: Verdict) -> list[TimelineEntry]:
    """Return the entries to show, in order of time: anomalies far from the onset give way first."""
    in_order = sorted(verdict.timeline, key=lambda entry: seconds(entry.at))
    origin = seconds(verdict.onset or in_order[0].at) if in_order else 0.0
    weighty = sorted(in_order, key=lambda entry: (entry.type == "anomaly", abs(seconds(entry.at) - origin)))
    return sorted(weighty[:MOST_ENTRIES], key=lambda entry: seconds(entry.at))


def _timeline(verdict: Verdict) -> dict[str, Any]:
    entries = chosen_entries(verdict)
    kinds = [kind for kind in SHAPES if any(entry.type == kind for entry in entries)]
    return {
        "entries": [entry_view(entry, verdict.onset) for entry in entries],
        "more_entries": max(len(verdict.timeline) - MOST_ENTRIES, 0),
        "timeline": timeline_svg(entries, verdict.onset) if entries else "",
        "timeline_legend": [(shape_svg(kind), plain_words(kind)) for kind in kinds],
    }


def _graph(verdict: Verdict) -> dict[str, Any]:
    symptom = verdict.target.component if verdict.target else None
    states = [state for state in STATES if any(node.state == state for node in verdict.graph.nodes)]
    return {
        "graph": graph_svg(verdict.graph, verdict.propagation, symptom) if verdict.graph.nodes else "",
        "graph_legend": [(legend_svg(state), STATES[state]) for state in states],
        "suggested": any(edge.source == SUGGESTED for edge in verdict.graph.edges),
    }
