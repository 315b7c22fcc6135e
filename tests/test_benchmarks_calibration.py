"""How confidence is fitted and measured: each figure beside a slow twin or a case with a known answer."""

from __future__ import annotations

import math
import runpy
from xml.etree import ElementTree as ET

import confidence_fit as fitting
import confidence_measures as measures
import numpy as np
import pytest
from bench_calibration import judged_held_out
from confidence_cases import ALERTS, REAL, SIMULATED, Incident, incidents_of, load, save
from confidence_tables import judged, reliability_table, tables
from fitted_file import write_constants
from reliability_picture import draw

from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter_graph.calibration import Strengths, least_for, shares
from hypocenter_graph.candidates import limit_of, set_size
from hypocenter_workers import truth

BELIEF = {"series": {"sharpness": 1.4, "doubt": -2.0, "richness": 0.8}}


def drawn(number, world, seed, groups=("a", "b")):
    """Incidents whose roots are drawn with the very probabilities that BELIEF gives; alerts have kind 0."""
    draw = np.random.default_rng(seed)
    found = []
    for place in range(number):
        scores = tuple(sorted(draw.beta(0.4, 1.2, int(draw.integers(3, 12))).tolist(), reverse=True))
        kinds = int(draw.integers(3, 17)) if world != ALERTS else 0
        chances = shares(Strengths(scores, max(1, kinds)), BELIEF)
        root = draw.choice(len(scores) + 1, p=[*chances, max(0.0, 1 - math.fsum(chances))])
        roots = (int(root),) if root < len(scores) else ()
        found.append(Incident(world, f"{world} {groups[place % len(groups)]}", scores, kinds, roots))
    return found


@pytest.fixture(scope="module")
def incidents():
    return [*drawn(700, SIMULATED, 1), *drawn(400, REAL, 2), *drawn(100, ALERTS, 3)]


@pytest.fixture(scope="module")
def constants(incidents):
    return fitting.fit(incidents)


def series(incidents):
    return [one for one in incidents if one.kinds]


def test_the_fit_finds_the_constants_that_incidents_were_drawn_with(constants):
    belief = constants.beliefs["series"]
    assert belief["sharpness"] == pytest.approx(1.4, abs=0.2)
    assert belief["doubt"] == pytest.approx(-2.0, abs=0.4)
    assert belief["richness"] == pytest.approx(0.8, abs=0.6)


def test_probabilities_by_those_constants_are_calibrated(incidents, constants):
    chances = np.array([shares(one.strengths, constants.beliefs)[0] for one in series(incidents)])
    right = np.array([float(one.right) for one in series(incidents)])
    assert measures.calibration_error(chances, right) < 0.05
    intercept, slope = measures.recalibration(chances, right)
    assert (intercept, slope) == (pytest.approx(0, abs=0.3), pytest.approx(1, abs=0.2))


def test_the_likelihood_of_all_at_once_is_that_of_one_after_the_other(incidents):
    own = series(incidents)[:60]
    utilities, roots = fitting.log_odds(own)
    richness = np.array([one.strengths.richness for one in own])
    belief = BELIEF["series"]
    fast = fitting.likelihood_of(
        belief["sharpness"] * utilities, belief["doubt"] + belief["richness"] * richness, roots
    )
    for one, value in zip(own, fast, strict=True):
        chances = shares(one.strengths, BELIEF)
        slow = sum(chances[place] for place in one.roots) if one.roots else 1 - math.fsum(chances)
        assert value == pytest.approx(slow, rel=1e-6)


def test_a_threshold_keeps_the_precision_on_other_incidents_of_both_worlds(constants):
    others = [*drawn(1500, SIMULATED, 11), *drawn(1500, REAL, 12)]
    table = constants.thresholds["series"]
    assert table
    for wanted, _ in table:
        named = [one for one in others if shares(one.strengths, constants.beliefs)[0] >= least_for(wanted, table)]
        assert np.mean([one.right for one in named]) >= wanted - 0.02


def test_a_precision_that_nothing_keeps_has_no_threshold():
    wrong = [Incident(SIMULATED, "a", (0.9, 0.5), 9, (1,))] * 100
    assert fitting.thresholds(wrong, [(0.9, 0.05)] * 100) == ()
    mixed = [*wrong, *[Incident(REAL, "b", (0.9, 0.5), 9, (0,))] * 900]
    assert fitting.thresholds(mixed, [(0.9, 0.05)] * 1000) == ()


def test_limits_cover_other_incidents_of_each_world(constants):
    table = constants.limits["series"]
    for world, seed in ((SIMULATED, 21), (REAL, 22)):
        others = [one for one in drawn(1500, world, seed) if one.roots]
        for coverage in (0.8, 0.9):
            sizes = [set_size(shares(one.strengths, constants.beliefs), limit_of(coverage, table)) for one in others]
            within = [one.roots[0] < size for one, size in zip(others, sizes, strict=True)]
            assert np.mean(within) >= coverage - 0.03


def test_an_unlisted_root_stands_behind_everything():
    assert fitting.root_depth(Incident(REAL, "a", (0.9,), 9, ()), (0.9,)) == math.inf
    assert fitting.root_depth(Incident(REAL, "a", (0.9, 0.2), 9, (1,)), (0.9, 0.05)) == 0.9


def test_every_incident_is_judged_without_its_group(incidents):
    own = [one for one in incidents if one.world != ALERTS][::12] + drawn(40, ALERTS, 5)
    found = judged_held_out(own)
    assert len(found) == len(own)
    for group in {one.group for one in own}:
        (belief,) = {tuple(one.constants.beliefs["series"].items()) for one in found if one.incident.group == group}
        rest = [one for one in own if one.group != group]
        assert dict(belief) == fitting.fit(rest).beliefs["series"]


def test_bins_of_equal_mass_by_hand():
    chances, right = np.array([0.9, 0.1, 0.8, 0.3]), np.array([1.0, 0.0, 0.0, 1.0])
    assert measures.bins_of(chances, right, 2) == [(pytest.approx(0.2), 0.5, 2), (pytest.approx(0.85), 0.5, 2)]
    assert measures.calibration_error(chances, right, 2) == pytest.approx((0.3 + 0.35) / 2)
    assert measures.brier(chances, right) == pytest.approx((0.01 + 0.01 + 0.64 + 0.49) / 4)
    assert measures.log_loss(np.array([0.5, 1.0]), np.array([1.0, 1.0])) == pytest.approx(math.log(2) / 2, abs=1e-4)


def test_recalibration_finds_how_far_off_probabilities_are():
    draw = np.random.default_rng(3)
    log_odds = draw.normal(0, 2, 40_000)
    right = (draw.random(40_000) < 1 / (1 + np.exp(-(0.5 + 0.6 * log_odds)))).astype(float)
    intercept, slope = measures.recalibration(1 / (1 + np.exp(-log_odds)), right)
    assert (intercept, slope) == (pytest.approx(0.5, abs=0.05), pytest.approx(0.6, abs=0.03))


def test_a_bootstrap_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(4).normal(2.0, 1.0, 400)
    ((low, high),) = measures.bootstrap(lambda chances, _: (float(chances.mean()),), values, values)
    assert (low, high) == (
        pytest.approx(values.mean() - 0.098, abs=0.02),
        pytest.approx(values.mean() + 0.098, abs=0.02),
    )


def test_constants_are_written_as_a_module_that_reads_back(tmp_path, incidents, constants):
    file = tmp_path / "fitted.py"
    write_constants(constants, incidents, file)
    found = runpy.run_path(str(file))
    assert found["BELIEFS"]["series"] == pytest.approx(constants.beliefs["series"], abs=1e-4)
    for name, tables_ in (("THRESHOLDS", constants.thresholds), ("LIMITS", constants.limits)):
        for kind, table in tables_.items():
            written = found[name][kind]
            assert [first for first, _ in written] == [first for first, _ in table]
            assert all(0 <= shown - value < 2e-4 for (_, shown), (_, value) in zip(written, table, strict=True))
    assert "700 simulated" in found["__doc__"]


def test_rankings_are_kept_and_read_back(tmp_path, incidents):
    save(incidents, tmp_path / "ranked.jsonl")
    assert load(tmp_path / "ranked.jsonl") == incidents


def test_an_incident_holds_the_scores_of_a_ranking_and_the_places_of_its_roots(tmp_path):
    scenario = generate_scenario("fan", 6, 3, "cpu_hog", length=3600.0)
    write_case(simulate(scenario, 3), tmp_path / "fan" / "00000")
    (source,) = truth.sources(tmp_path)
    (one,) = incidents_of(source, SIMULATED)
    assert (one.world, one.group, one.strengths.world, len(one.roots)) == (SIMULATED, "fan", "series", 1)
    assert list(one.scores) == sorted(one.scores, reverse=True)
    assert one.kinds > 5


def test_tables_have_the_same_columns_and_the_picture_all_points(incidents, constants):
    found = [judged(one, constants) for one in incidents]
    rows = [*tables("as shipped", found), *reliability_table("as shipped", found)]
    assert len({tuple(row) for row in rows}) == 1
    assert {row["table"] for row in rows} >= {"abstention, as shipped", "candidate sets, as shipped"}
    chances, right = np.linspace(0.05, 0.95, 200), np.tile([0.0, 1.0], 100)
    picture = ET.fromstring(draw({SIMULATED: (chances, right), REAL: (chances, right)}))
    assert len(picture.findall(".//{*}circle")) == 20
