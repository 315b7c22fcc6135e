"""Peers of root-cause ranking in their own packages, for the interpreter of the environment that holds them.

Called as `python rca_packaged.py`: reads a JSON request a line (`method`, `path` of a frame as .npz, `names`, `start`,
`edges`, `symptoms`) and prints a JSON reply a line: `{"scores": {name: score}}`, or `{"error": text}`.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import sys
import warnings
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Scores = dict[str, float]

SEED = 1
RCD_RUNS = 3
DRAWS = 500
JITTER = 1e-6


class Request:
    """What a peer is given: the table (a row number as its `time`), where the incident starts, and the graph."""

    def __init__(self, asked: Mapping[str, Any], values: np.ndarray) -> None:
        self.table = pd.DataFrame(values, columns=asked["names"])
        self.start = int(asked["start"])
        self.edges = [tuple(edge) for edge in asked["edges"]]
        self.symptoms = list(asked["symptoms"])

    @property
    def timed(self) -> pd.DataFrame:
        """Return the table with its row numbers as column `time`."""
        return self.table.assign(time=np.arange(len(self.table)))

    @property
    def halves(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the rows before the incident and those of it, without series that are constant in either."""
        normal, incident = self.table.iloc[: self.start], self.table.iloc[self.start :]
        moving = (normal.max() > normal.min()) & (incident.max() > incident.min())
        return normal.loc[:, moving].reset_index(drop=True), incident.loc[:, moving].reset_index(drop=True)


def baro(asked: Request) -> Scores:
    """Rank by RobustScorer (Pham et al., FSE 2024)."""
    from baro.root_cause_analysis import robust_scorer

    return _placed(robust_scorer(asked.timed, inject_time=asked.start)["ranks"])


def baro_bocpd(asked: Request) -> Scores:
    """Rank by RobustScorer from the first change that BARO's own multivariate BOCPD finds; nothing where it is none."""
    from baro.anomaly_detection import bocpd
    from baro.root_cause_analysis import robust_scorer

    changes = bocpd(asked.table)
    return _placed(robust_scorer(asked.timed, anomalies=changes)["ranks"]) if changes else {}


def nsigma(asked: Request) -> Scores:
    """Rank by the largest z of a sample (Li et al., KDD 2022), as BARO's authors run it."""
    from baro.root_cause_analysis import nsigma as ranked

    return _placed(ranked(asked.timed, inject_time=asked.start)["ranks"])


def epsilon_diagnosis(asked: Request) -> Scores:
    """Rank by the correlation of normal with incident rows, where significant (Shan et al., WWW 2019)."""
    from pyrca.analyzers.epsilon_diagnosis import EpsilonDiagnosis

    normal, incident = asked.halves
    rows = min(len(normal), len(incident))
    config = EpsilonDiagnosis.config_class(alpha=0.01, root_cause_top_k=len(normal.columns))
    model = EpsilonDiagnosis(config)
    model.train(normal.tail(rows))
    return dict(model.find_root_causes(incident.head(rows)).to_dict()["root_cause_nodes"])


def rcd(asked: Request) -> Scores:
    """Rank by how high three runs of RCD, which shuffles, place a series (Ikram et al., NeurIPS 2022)."""
    from pyrca.analyzers.rcd import RCD

    normal, incident = asked.halves
    votes: Scores = {}
    for run in range(RCD_RUNS):
        np.random.seed(SEED + run)
        model = RCD(RCD.config_class(k=len(normal.columns), verbose=False))
        found = model.find_root_causes(normal.copy(), incident.copy()).to_dict()["root_cause_nodes"]
        for place, (name, _) in enumerate(found, start=1):
            votes[name] = votes.get(name, 0.0) + 1.0 / place
    return votes


def circa(asked: Request) -> Scores:
    """Rank by regression-based hypothesis testing with descendant adjustment on the given graph (Li et al. 2022)."""
    from pyrca.analyzers.ht import HT

    normal, incident = asked.table.iloc[: asked.start], asked.table.iloc[asked.start :]
    graph = _adjacency(asked.table.columns, asked.edges)
    model = HT(HT.config_class(graph=graph, root_cause_top_k=len(graph)))
    model.train(normal)
    return dict(model.find_root_causes(incident, adjustment=True).to_dict()["root_cause_nodes"])


def attribution(asked: Request) -> Scores:
    """Rank by what each series' own noise adds to the symptom's anomaly in the row where it is farthest from normal.

    Mechanisms are linear, on the given graph.
    Source: Budhathoki et al., "Causal structure-based root cause analysis of outliers", ICML 2022.
    """
    from dowhy import gcm

    gcm.util.general.set_random_seed(SEED)
    gcm.config.disable_progress_bars()
    gcm.config.set_default_n_jobs(1)
    model = gcm.InvertibleStructuralCausalModel(_upstream(asked))
    for name in model.graph:
        linear = gcm.AdditiveNoiseModel(gcm.ml.create_linear_regressor())
        model.set_causal_mechanism(name, linear if model.graph.in_degree(name) else gcm.EmpiricalDistribution())
    table = asked.table[list(model.graph)]
    normal, incident = table.iloc[: asked.start], table.iloc[asked.start :]
    gcm.fit(model, normal)
    felt = asked.symptoms[0]
    worst = (incident[felt] - normal[felt].median()).abs().argmax()
    given = gcm.attribute_anomalies(model, felt, incident.iloc[[worst]], num_distribution_samples=DRAWS)
    return {name: float(parts[0]) for name, parts in given.items()}


def random_walk(asked: Request) -> Scores:
    """Rank by visits of random walks from the symptom along the given graph, weighted by correlation."""
    from pyrca.analyzers.random_walk import RandomWalk

    incident = asked.table.iloc[asked.start :]
    graph = _adjacency(asked.table.columns, asked.edges)
    model = RandomWalk(RandomWalk.config_class(graph=graph, root_cause_top_k=len(graph)))
    return dict(model.find_root_causes(asked.symptoms, incident, random_seed=SEED).to_dict()["root_cause_nodes"])


def pc_pagerank(asked: Request) -> Scores:
    """Rank by PageRank on the graph that the PC algorithm learns, as RCAEval does."""
    from RCAEval.e2e.pc_pagerank import pc_pagerank as ranked

    return _placed(_unguarded(ranked)(_jittered(asked.table).assign(time=0).drop(columns="time"))["ranks"])


def granger_pagerank(asked: Request) -> Scores:
    """Rank by PageRank on the graph of Granger causality, as RCAEval does."""
    from RCAEval.e2e.granger_pagerank import granger_pagerank as ranked

    return _placed(_unguarded(ranked)(_jittered(asked.table))["ranks"])


METHODS: Mapping[str, Callable[[Request], Scores]] = {
    method.__name__: method
    for method in (
        *(baro, baro_bocpd, nsigma, epsilon_diagnosis, rcd),
        *(circa, attribution, random_walk, pc_pagerank, granger_pagerank),
    )
}


def _upstream(asked: Request) -> nx.DiGraph:
    """Return the graph of the symptom and of all that may cause it."""
    graph = nx.DiGraph(asked.edges)
    graph.add_nodes_from(asked.symptoms)
    return graph.subgraph({*asked.symptoms, *nx.ancestors(graph, asked.symptoms[0])}).copy()


def _placed(ranks: Sequence[str]) -> Scores:
    return {name: -float(place) for place, name in enumerate(ranks)}


def _unguarded(ranked: Any) -> Any:
    """Return what RCAEval wraps: its wrapper would turn an error into the order of columns."""
    return inspect.getclosurevars(ranked).nonlocals["func"]


def _jittered(table: pd.DataFrame) -> pd.DataFrame:
    """Standardize, and tell equal series apart: their correlation matrix has no inverse."""
    z = (table - table.mean()) / table.std(ddof=0)
    return z + np.random.default_rng(SEED).normal(0, JITTER, z.shape)


def _adjacency(names: Iterable[str], edges: Iterable[tuple[str, str]]) -> pd.DataFrame:
    graph = pd.DataFrame(0, index=list(names), columns=list(names))
    for cause, effect in edges:
        graph.loc[cause, effect] = 1
    return graph


def answered(line: str) -> dict[str, Any]:
    """Answer one request; what a peer raises is an answer too."""
    asked = json.loads(line)
    with np.load(asked["path"], allow_pickle=False) as arrays:
        request = Request(asked, arrays["values"])
    try:
        scores = METHODS[asked["method"]](request)
    except Exception as error:  # noqa: BLE001 - whatever a package raises is reported
        return {"error": f"{type(error).__name__}: {error}"}
    return {"scores": {name: float(score) for name, score in scores.items()}}


def main() -> None:
    """Answer requests until there are no more; what packages print on the way does not mix with the answers."""
    warnings.simplefilter("ignore")
    answers = sys.stdout
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            reply = answered(line)
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
