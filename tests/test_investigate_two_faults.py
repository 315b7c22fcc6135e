"""A simulated shop in which two components break within a minute of each other: the verdict names both."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypocenter.readers import read_cases
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter_workers.investigate import Options, investigate

SHOP = Path(__file__).parents[1] / "fixtures" / "scenarios" / "shop.base"
LOUD = "decoy noisy recommendation at=50m severity=0.4\n"
CRASHES = "fault crash_loop account at=1h10m severity=0.7\n"
BURNS = "fault cpu_hog payment at=1h11m severity=0.8 ramp=30s\n"


@pytest.fixture(scope="module")
def verdict_of(tmp_path_factory):
    def verdict(faults):
        scenario = read_scenario(f"{SHOP.read_text(encoding='utf-8')}\nlength 1h30m\n{faults}{LOUD}")
        folder = write_case(simulate(scenario), tmp_path_factory.mktemp("shop"))
        case = next(iter(read_cases(folder)))
        return investigate(case, Options(at=case.started_at)).verdict

    return verdict


def test_both_of_two_faults_are_named_and_told_of(verdict_of):
    verdict = verdict_of(CRASHES + BURNS)
    assert set(verdict.causes) == {"account", "payment"} == {s.component for s in verdict.suspects[:2]}
    assert (verdict.cause, verdict.abstained) == (verdict.causes[0], False)
    first, second = verdict.suspects[:2]
    either = first.probability + second.probability
    assert verdict.summary.startswith(
        f"Two components broke independently: {either:.0%} that at least one of them is a cause; were there only one,"
        f" it would be {first.component} ({first.probability:.0%}) or {second.component} ({second.probability:.0%}). "
    )
    assert all(cause in verdict.summary for cause in verdict.causes)
    began = [step.component for step in verdict.propagation if step.via is None]
    assert set(verdict.causes) <= set(began)
    assert "frontend" in {step.component for step in verdict.propagation}
    assert len(verdict.propagation) == len({step.component for step in verdict.propagation})
    assert {n.component for n in verdict.graph.nodes if n.state == "cause"} == set(verdict.causes)


def test_of_one_fault_one_cause_is_named(verdict_of):
    verdict = verdict_of(BURNS)
    assert verdict.causes == ("payment",)
    assert "independently" not in verdict.summary
