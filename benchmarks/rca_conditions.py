"""The conditions of bench_rca: what is told wrong, not told, or taken away before anybody looks."""

from __future__ import annotations

from functools import partial

from hypocenter_workers import perturb
from hypocenter_workers.evaluate import Condition

TRUE = Condition("start told")
FOUND = Condition("start found", start="detected")
SEED = 0
MINUTES = (-5, -2, -1, 1, 2, 5)
SHARES = (0.1, 0.3, 0.5)
MODALITIES = {"metrics": "metrics", "resources": "resource metrics", "traces": "traces", "logs": "log lines"}


def starts() -> tuple[Condition, ...]:
    """Return the conditions in which the start is stated wrongly, or has to be found."""
    wrong = [Condition(_off(by), (partial(perturb.with_start_off_minutes, minutes=by),)) for by in MINUTES]
    return (*wrong, FOUND)


def _off(minutes: int) -> str:
    return f"start told {abs(minutes)} min {'late' if minutes > 0 else 'early'}"


def losses() -> tuple[Condition, ...]:
    """Return the conditions in which telemetry or the graph is missing or wrong."""
    modalities = [
        Condition(f"without {words}", (partial(perturb.without_modality, modality=modality),))
        for modality, words in MODALITIES.items()
    ]
    wrong = partial(perturb.with_wrong_graph, share=0.2, seed=SEED)
    graph = [
        Condition("without the declared graph", (perturb.without_declared_graph,)),
        Condition("without topology", (perturb.without_far_ends,), (perturb.without_topology,)),
        Condition("20 % of the edges wrong", (), (wrong,)),
    ]
    shares = [
        Condition(
            f"without {share * 100:.0f} % of the metric series",
            (partial(perturb.without_series, share=share, seed=SEED),),
        )
        for share in SHARES
    ]
    return (*modalities, *graph, *shares)


def changed(condition: Condition) -> frozenset[str]:
    """Return what a condition changes, and leaves something of, for a method given the start, metrics and a graph."""
    name = condition.name
    if name.startswith("start told ") or condition == FOUND:
        return frozenset({"start"})
    if name.endswith("series") or name == f"without {MODALITIES['resources']}":
        return frozenset({"metrics"})
    if name == "without topology":
        return frozenset({"metrics", "graph"})
    return frozenset({"graph"} if "graph" in name or "edges" in name else ())
