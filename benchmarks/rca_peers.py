"""Other methods of root-cause ranking beside ours, on the metrics of the same cases.

Those in packages (`make rca-peers`) run in a process of their own, with a limit per case; what is named
"re-implemented" is written here from its paper, because no package that installs runs it on components, or none within
the limit.
A component is as suspicious as its most suspicious series; what a method does not name ties last.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rca_child import LIMIT_S, Child, PeerFailed, Tally, interpreter
from rca_frames import best_of, component_ranking, frame_of
from rca_graphs import causal_edges, first_of, indicator
from rca_rewritten import epsilon_diagnosis, random_walk, ranked_correlation, traversal

from hypocenter_workers.baselines import candidates
from hypocenter_workers.scoring import ranking_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rca_frames import Frame

    from hypocenter_workers.baselines import Situation
    from hypocenter_workers.scoring import Ranking

    Scores = dict[str, float]
    Peer = Callable[[Situation], Ranking]

ENOUGH_ROWS = 10
MOST_SERIES = 30


def rewritten(score: Callable[[Frame], Scores], situation: Situation) -> Ranking:
    """Rank by a method that is re-implemented here; a case without metrics leaves all components tied."""
    frame = frame_of(situation)
    return component_ranking(situation, {} if frame is None else score(frame))


def packaged(
    child: Child, tally: Tally, name: str, score: Callable[[Child, Frame], Scores], situation: Situation
) -> Ranking:
    """Rank by a method in its package; where it gives no answer the ranking is empty, and the tally says why."""
    frame = frame_of(situation)
    if frame is None:
        return ranking_of(dict.fromkeys(candidates(situation.case, situation.signals), 0.0))
    tally.cases[name] += 1
    try:
        return component_ranking(situation, score(child, frame))
    except PeerFailed as failure:
        tally.failures[name, str(failure)] += 1
        return ()


def in_window(method: str, child: Child, frame: Frame) -> Scores:
    """Run a method on the window; fault-free rows of other times are put before it where it has fewer than ten."""
    window = frame.without_history()
    chosen = window if window.start >= ENOUGH_ROWS else frame
    return best_of(chosen.series, child.ask(method, chosen))


def with_history(method: str, child: Child, frame: Frame) -> Scores:
    """Run a method on the window with all fault-free rows of other times before it."""
    return best_of(frame.series, child.ask(method, frame))


def in_window_alone(method: str, child: Child, frame: Frame) -> Scores:
    """Run a method on the window, however short."""
    window = frame.without_history()
    return best_of(window.series, child.ask(method, window))


def most_moved(method: str, child: Child, frame: Frame) -> Scores:
    """Run a method whose time grows with the square of the series or faster on the 30 that deviate most."""
    window = frame.without_history()
    chosen = first_of(window if window.start >= ENOUGH_ROWS else frame, MOST_SERIES)
    return best_of(chosen.series, child.ask(method, chosen))


def on_causes(method: str, child: Child, frame: Frame) -> Scores:
    """Run a method on the graph of series that the call graph implies."""
    return best_of(frame.series, child.ask(method, frame, causal_edges(frame)))


def on_causes_of_symptom(method: str, child: Child, frame: Frame) -> Scores:
    """Run a method on the same graph, told which series the symptom is; where it has none nothing is scored."""
    column = indicator(frame).get(frame.symptom or "")
    if column is None:
        return {}
    return best_of(frame.series, child.ask(method, frame, causal_edges(frame), (column,)))


PACKAGED: Mapping[str, Callable[[Child, Frame], Scores]] = {
    "BARO (fse-baro)": partial(in_window, "baro"),
    "BARO, its own start (fse-baro)": partial(in_window_alone, "baro_bocpd"),
    "NSigma (fse-baro)": partial(with_history, "nsigma"),
    "RCD (sfr-pyrca)": partial(most_moved, "rcd"),
    "CIRCA (sfr-pyrca)": partial(on_causes, "circa"),
    "gcm attribution (dowhy)": partial(on_causes_of_symptom, "attribution"),
    "PC + PageRank (RCAEval)": partial(most_moved, "pc_pagerank"),
    "Granger + PageRank (RCAEval)": partial(most_moved, "granger_pagerank"),
}
# These take a second a case or many; the quickest first.
SLOW = (
    "CIRCA (sfr-pyrca)",
    "RCD (sfr-pyrca)",
    "PC + PageRank (RCAEval)",
    "gcm attribution (dowhy)",
    "Granger + PageRank (RCAEval)",
    "BARO, its own start (fse-baro)",
)
OWN_START = frozenset({"BARO, its own start (fse-baro)"})
ON_GRAPH = frozenset(
    {
        "CIRCA (sfr-pyrca)",
        "gcm attribution (dowhy)",
        "random walk (re-implemented)",
        "traversal (re-implemented)",
        "ranked correlation (re-implemented)",
    }
)
PEERS: Mapping[str, Peer] = {
    "epsilon-diagnosis (re-implemented)": partial(rewritten, epsilon_diagnosis),
    "random walk (re-implemented)": partial(rewritten, random_walk),
    "traversal (re-implemented)": partial(rewritten, traversal),
    "ranked correlation (re-implemented)": partial(rewritten, ranked_correlation),
}


def given(name: str) -> frozenset[str]:
    """Return what a peer is given of start, metrics and graph; a symptom that is not stated is chosen by the graph."""
    graph = {"graph"} if name in ON_GRAPH else set()
    start = set() if name in OWN_START else {"start"}
    return frozenset({"metrics"} | graph | start)


def available(tally: Tally | None = None, limit_s: float = LIMIT_S) -> dict[str, Peer]:
    """Return every peer that can run here; those whose packages are missing are printed."""
    python = interpreter()
    if python is None:
        print(f"skipped: {', '.join(PACKAGED)} (make rca-peers installs them)")
        return dict(PEERS)
    child, counted = Child(python, limit_s), Tally() if tally is None else tally
    found = {name: partial(packaged, child, counted, name, score) for name, score in PACKAGED.items()}
    return found | dict(PEERS)
