"""What to check next: few things, the telling one first, each for this verdict."""

from __future__ import annotations

from dataclasses import replace

from hypocenter.catalog import FAULT_TYPES
from hypocenter.model import NextCheck, Suspect
from hypocenter.report.next_steps import CHECKS, next_steps


def test_a_change_before_the_onset_comes_first(sample):
    steps = next_steps(sample("plain").verdict)
    assert "CHG-4711" in steps[0]
    assert [("disks of orders-db" in step) for step in steps] == [False, True, False, False]
    assert "bank-gateway never reported" in steps[-1]


def test_there_are_never_more_than_four(sample):
    assert len(next_steps(sample("large").verdict)) <= 4
    assert next_steps(sample("empty").verdict) == []


def test_without_a_cause_the_two_best_candidates_are_to_be_checked(sample):
    steps = " ".join(next_steps(sample("undecided").verdict))
    assert "orders-db" in steps
    assert "host-3" in steps


def test_a_rival_that_is_not_far_behind_is_named(sample):
    verdict = sample("plain").verdict
    first, second, third = verdict.suspects
    close = replace(verdict, suspects=(replace(first, evidence=()), replace(second, probability=0.24), third))
    assert any("host-3 is next, at 24\u00a0%" in step for step in next_steps(close))
    assert not any("host-3" in step for step in next_steps(verdict))


def test_every_kind_of_fault_has_its_check(sample):
    assert set(FAULT_TYPES) - set(CHECKS) == {"change", "unknown"}
    verdict = replace(sample("plain").verdict, blind_spots=(), suspects=(Suspect("orders-db", 0.9, 1.0, "memory"),))
    assert next_steps(verdict) == [CHECKS["memory"].format("orders-db")]


def test_names_with_braces_stay_names(sample):
    verdict = sample("shop").verdict
    odd = replace(verdict.suspects[0], component="{0.__class__}")
    steps = next_steps(replace(verdict, suspects=(odd,), causes=(odd.component,)))
    assert any("{0.__class__}" in step for step in steps)


def with_check(verdict, text, *components):
    return replace(verdict, next_check=NextCheck(components, text))


def test_the_verdict_s_own_check_comes_first_and_its_rival_is_not_named_again(sample):
    verdict = sample("plain").verdict
    first, second, third = verdict.suspects
    close = replace(verdict, suspects=(first, replace(second, probability=0.24), third))
    text = "Compare the other guests of host-3 with orders-db."
    steps = next_steps(with_check(close, text, "orders-db", "host-3"))
    assert steps[0] == text
    assert not any("is next" in step for step in steps)
    assert len(steps) == len(set(steps)) == 4


def test_what_the_check_asks_for_is_not_asked_for_twice(sample):
    verdict = sample("plain").verdict
    disks = "Look at the disks of host-3 and orders-db: one of them is full."
    assert [step for step in next_steps(with_check(verdict, disks, "orders-db")) if "disks" in step] == [disks]
    change = verdict.suspects[0].evidence[3].text
    undo = f"Undo the change of orders-db ({change}) where that is safe."
    assert [step for step in next_steps(with_check(verdict, undo, "orders-db")) if "CHG-4711" in step] == [undo]
