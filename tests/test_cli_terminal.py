"""What the person at the terminal reads of a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypocenter.model import (
    Counterfactual,
    Evidence,
    FaultTypeChance,
    LearnedOpinion,
    NextCheck,
    RuledOut,
    SimilarIncident,
    Suspect,
    Target,
    Trial,
    Verdict,
)
from hypocenter.terminal import verdict_text

FOR = Evidence("cpu", "CPU rose from 20 % to 90 %")
AGAINST = Evidence("latency", "its own time is normal", supports=False)
DB = Suspect("db", 0.81, 4.0, "cpu_hog", (AGAINST, FOR))
CART = Suspect("cart", 0.12, 1.0, "network_delay")
NAMED = Verdict(
    case_id="one",
    system="shop",
    suspects=(DB, CART),
    cause="db",
    causes=("db",),
    abstained=False,
    onset=datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
    onset_uncertainty_s=60.0,
    target=Target("frontend"),
    ruled_out=(RuledOut("frontend", "its callee explains it"),),
    blind_spots=("no traces",),
)


def test_a_model_tells_the_type_of_fault_and_an_incident_that_looked_alike():
    similar = (SimilarIncident("INC-7", 0.9, ("db",), "disk stall", "A new volume."), SimilarIncident("INC-8", 0.2))
    chances = (FaultTypeChance("disk_stall", 0.8), FaultTypeChance("leak", 0.001))
    told = verdict_text(replace(NAMED, learned=LearnedOpinion("12 incidents", True, chances, 0.199, (), similar)))
    assert "past faults  disk stall 80%, unlike any 20% (learned from 12 incidents)" in told
    assert "like INC-7 (db, disk stall), ended by: A new volume." in told
    assert "INC-8" not in told
    assert "past faults" not in verdict_text(replace(NAMED, learned=LearnedOpinion("12 incidents")))


def test_a_cause_is_named_with_its_evidence_and_the_rest_below() -> None:
    assert verdict_text(NAMED).splitlines() == [
        "incident     one · shop",
        "cause        db, cpu hog, probability 81%",
        "onset        2026-03-01 02:30:00 UTC ± 60 s",
        "evidence     CPU rose from 20 % to 90 %",
        "less likely  cart, network delay, probability 12%",
        "ruled out    frontend: its callee explains it",
        "blind spots  no traces",
    ]


WITHOUT = Counterfactual("web|latency", "s", 0.9, 0.18, 0.15, 0.24, 0.9, "without db web would be at 180 ms")
TRIALS = (Trial("without traces", "db", holds=True), Trial("without log lines", "cart", holds=False))
SURE = replace(
    NAMED,
    suspects=(replace(DB, counterfactual=WITHOUT), CART),
    candidates=("db", "cart"),
    coverage=0.9,
    wanted_precision=0.95,
    threshold=0.72,
    robustness=TRIALS,
    next_check=NextCheck(("db", "cart"), "Time calls from cart to db by hand."),
)


def test_what_makes_the_verdict_sure_or_not_is_told() -> None:
    lines = verdict_text(SURE).splitlines()
    assert lines[2] == "sure         90% that the cause is among db, cart"
    assert lines[5] == "without it   without db web would be at 180 ms"
    assert lines[-2:] == [
        "holds        in 1 of 2 trials; not without log lines: cart",
        "next check   Time calls from cart to db by hand.",
    ]


def test_an_abstaining_verdict_says_what_it_would_take() -> None:
    lines = verdict_text(replace(SURE, cause=None, causes=(), abstained=True, candidates=())).splitlines()
    assert lines[2] == "sure         a cause is named from 72% on, for 95% to be right"


def test_two_causes_are_both_told_and_no_longer_less_likely() -> None:
    lines = verdict_text(replace(NAMED, causes=("db", "cart"))).splitlines()
    assert lines[1:4] == [
        "cause        db, cpu hog, probability 81% as the only cause",
        "             cart, network delay, probability 12% as the only cause",
        "sure         93% that at least one of these is a cause",
    ]
    assert not any(line.startswith("less likely") for line in lines)
    surer = replace(SURE, causes=("db", "cart"), candidates=("db",))
    assert "no candidate but" not in verdict_text(surer)


def test_many_are_counted_instead_of_told() -> None:
    lost = tuple(Trial(f"without {number}", None, holds=False) for number in range(9))
    text = verdict_text(replace(SURE, robustness=lost, candidates=tuple("abcdefgh")))
    assert "in 0 of 9 trials; not without 0: nobody; not without 1: nobody; not without 2: nobody; and 6 more" in text
    assert "90% that the cause is among a, b, c, d, e and 3 more\n" in text


def test_an_abstaining_verdict_shows_candidates() -> None:
    text = verdict_text(replace(NAMED, cause=None, causes=(), abstained=True, onset=None, onset_uncertainty_s=None))
    assert "cause        no confident cause\n" in text
    assert "onset        not dated by the data\n" in text
    assert "candidates   db, cpu hog, probability 81%\n             cart" in text


def test_a_verdict_without_suspects_is_still_text() -> None:
    empty = Verdict("one", "", (), None, (), True, None, None, None)
    assert verdict_text(empty).splitlines() == [
        "incident     one",
        "cause        no confident cause",
        "onset        not dated by the data",
    ]


def test_nothing_in_a_verdict_steers_the_terminal() -> None:
    bad = "a\x1b[2J\nb\x07\u202e"
    hostile = replace(NAMED, case_id=bad, system=bad, ruled_out=(RuledOut(bad, bad),), blind_spots=(bad,))
    hostile = replace(
        hostile, robustness=(Trial(bad, bad, holds=False),), next_check=NextCheck((bad,), bad), candidates=(bad,)
    )
    hostile = replace(hostile, coverage=0.9, suspects=(replace(DB, counterfactual=replace(WITHOUT, text=bad)), CART))
    text = verdict_text(hostile)
    assert text.count("\n") == verdict_text(NAMED).count("\n") + 4
    assert text.replace("\n", "").isprintable()
    assert r"incident     a\x1b[2J\nb\x07\u202e" in text
