"""What the person at the terminal reads of a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypocenter.model import Evidence, RuledOut, Suspect, Target, Verdict
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
    text = verdict_text(hostile)
    assert text.count("\n") == verdict_text(NAMED).count("\n")
    assert text.replace("\n", "").isprintable()
    assert r"incident     a\x1b[2J\nb\x07\u202e" in text
