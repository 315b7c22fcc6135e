"""Peers of root-cause ranking find a plain cause in a small system, and what is re-implemented is what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import rca_child
import rca_frames
import rca_graphs
import rca_peers
import rca_rewritten

from hypocenter.model import Dependency, MetricKind, Series, Target
from hypocenter.telemetry import Case, SeriesTable, Signals
from hypocenter_workers.baselines import Situation

ROWS, START = 60, 40
CALLS = (("web", "cart"), ("web", "ads"), ("cart", "db"))
STARTED = datetime(2026, 3, 2, 0, START, tzinfo=UTC)
TIMES = np.datetime64("2026-03-02", "ns") + np.arange(ROWS) * np.timedelta64(60, "s")
PYTHON = rca_child.interpreter()
needs_packages = pytest.mark.skipif(PYTHON is None, reason="make rca-peers installs the packages")


def latencies(seed: int = 1) -> np.ndarray:
    """Latency of web, cart, ads and db: a caller's holds its callees'; from row 40 on db is slow."""
    rng = np.random.default_rng(seed)
    db, ads = rng.normal(1.0, 0.1, ROWS), rng.normal(1.0, 0.1, ROWS)
    db[START:] += 3.0
    cart = db + rng.normal(1.0, 0.1, ROWS)
    return np.stack([cart + ads + rng.normal(1.0, 0.1, ROWS), cart, ads, db], axis=1)


def situation(values: np.ndarray | None = None, started: datetime | None = STARTED) -> Situation:
    series = tuple(Series(name, "latency", MetricKind.LATENCY, "s") for name in ("web", "cart", "ads", "db"))
    table = SeriesTable(series, TIMES, latencies() if values is None else values)
    edges = tuple(Dependency(caller, callee) for caller, callee in CALLS)
    case = Case("one", target=Target("web", "latency"), started_at=started)
    return Situation(case, Signals((table,), dependencies=edges), started)


def frame(values: np.ndarray | None = None) -> rca_frames.Frame:
    found = rca_frames.frame_of(situation(values))
    assert found is not None
    return found


def test_a_frame_starts_its_incident_where_the_case_does():
    one = frame()
    assert (one.start, one.history, one.normal.shape, one.incident.shape) == (START, 0, (40, 4), (20, 4))
    assert one.values == pytest.approx(latencies())


def test_a_frame_closes_gaps_and_leaves_out_what_never_moves():
    values = latencies()
    values[:3, 0], values[5, 3], values[:, 2] = np.nan, np.nan, 7.0
    one = frame(values)
    assert [series.component for series in one.series] == ["web", "cart", "db"]
    assert one.values[:3, 0] == pytest.approx(values[3, 0])
    assert one.values[5, 2] == values[4, 3]


def test_fault_free_rows_of_other_times_come_first_and_can_be_left_out():
    plain = situation()
    table = plain.signals.tables[0]
    other = SeriesTable(table.series[::-1], TIMES[:30], table.values[:30, ::-1] + 9.0)
    signals = Signals(plain.signals.tables, (other,), plain.signals.dependencies)
    one = rca_frames.frame_of(Situation(plain.case, signals, plain.start))
    assert one is not None
    assert (one.history, one.start) == (30, 30 + START)
    assert one.values[:30] == pytest.approx(table.values[:30] + 9.0)
    assert one.without_history().values == pytest.approx(frame().values)


def test_a_case_without_a_start_or_metrics_has_no_frame_and_ties_all():
    assert rca_frames.frame_of(situation(started=None)) is None
    for peer in rca_peers.PEERS.values():
        assert len({score for _, score in peer(situation(started=None))}) == 1


def test_a_callee_causes_the_same_metric_of_its_callers():
    assert rca_graphs.causal_edges(frame()) == [(1, 0), (2, 0), (3, 1)]


def test_a_cycle_of_calls_is_opened():
    looped = frame()
    looped = rca_frames.Frame(looped.series, looped.values, 0, START, (*looped.edges, ("db", "web")), "web", "latency")
    assert sorted(rca_graphs.calls_without_cycles(looped).edges) == sorted(CALLS)


def test_the_series_that_move_most_are_kept_in_their_order():
    assert [one.component for one in rca_graphs.first_of(frame(), 2).series] == ["cart", "db"]


def test_traversal_ends_at_the_last_anomalous_callee():
    assert next(iter(rca_peers.PEERS["traversal (re-implemented)"](situation())))[0] == "db"


def test_a_walk_visits_what_correlates_with_the_symptom():
    scores = rca_rewritten.random_walk(frame())
    assert scores["ads"] == min(scores.values())
    assert sum(scores.values()) == pytest.approx(1.0)


def test_ranked_correlation_names_what_moves_with_the_symptom_but_not_the_symptom():
    scores = rca_rewritten.ranked_correlation(frame())
    values = latencies()
    assert scores["db"] == pytest.approx(abs(np.corrcoef(values[:, 0], values[:, 3])[0, 1]))
    assert scores["ads"] < 0.5 < scores["db"]
    assert "web" not in scores


def test_epsilon_diagnosis_finds_the_series_that_repeats_its_normal_shape():
    values = latencies()
    values[START:, 3] = 2.0 * values[START - (ROWS - START) : START, 3]
    scores = rca_rewritten.epsilon_diagnosis(frame(values))
    assert max(scores, key=lambda one: scores[one]) == "db"
    assert scores["db"] == pytest.approx(1.0)


def test_a_peer_that_fails_misses_the_case_and_is_counted():
    def failing(child: rca_child.Child, one: rca_frames.Frame) -> dict[str, float]:
        raise rca_child.PeerFailed(f"cannot do with {len(one.series)} series")

    tally = rca_child.Tally()
    child = rca_child.Child(rca_child.CHILD)
    assert rca_peers.packaged(child, tally, "one", failing, situation()) == ()
    assert tally.lines() == ("one: no answer in 1 of 1 runs: cannot do with 4 series",)


@pytest.fixture(scope="module")
def child():
    child = rca_child.Child(PYTHON, limit_s=300.0)
    yield child
    child.close()


@needs_packages
class TestPackages:
    @pytest.mark.parametrize("name", [name for name in rca_peers.PACKAGED if "PageRank" not in name])
    def test_every_package_places_a_plain_cause_in_the_first_two(self, child, name):
        scores = rca_peers.PACKAGED[name](child, frame())
        assert "db" in sorted(scores, key=lambda one: -scores[one])[:2]

    @pytest.mark.parametrize("name", [name for name in rca_peers.PACKAGED if "PageRank" in name])
    def test_graphs_that_are_learned_score_every_component(self, child, name):
        assert set(rca_peers.PACKAGED[name](child, frame())) == {"web", "cart", "ads", "db"}

    def test_attribution_names_nothing_where_no_symptom_is_known(self, child):
        alone = rca_frames.Frame(frame().series, frame().values, 0, START, (), None, None)
        assert rca_peers.PACKAGED["gcm attribution (dowhy)"](child, alone) == {}

    def test_what_a_package_raises_is_told_and_the_next_case_is_answered(self, child):
        with pytest.raises(rca_child.PeerFailed, match="KeyError"):
            child.ask("no_such_method", frame())
        assert np.isfinite(child.ask("nsigma", frame())).all()

    def test_a_case_over_the_limit_is_given_up_and_the_next_starts_anew(self):
        hasty = rca_child.Child(PYTHON, limit_s=0.001)
        with pytest.raises(rca_child.PeerFailed, match="took more than"):
            hasty.ask("nsigma", frame())
        assert hasty.process is None

    def test_epsilon_diagnosis_is_that_of_its_package_where_both_find_it_significant(self, child):
        values = latencies()
        values[START:] = 2.0 * values[START - (ROWS - START) : START]
        theirs = dict(zip(("web", "cart", "ads", "db"), child.ask("epsilon_diagnosis", frame(values)), strict=True))
        ours = rca_rewritten.epsilon_diagnosis(frame(values))
        # The package divides a covariance of n - 1 by variances of n.
        rows = ROWS - START
        assert theirs == pytest.approx({one: score * (rows / (rows - 1)) ** 2 for one, score in ours.items()})
