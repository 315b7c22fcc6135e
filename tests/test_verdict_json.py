"""The verdict's JSON: valid against the published schema, finite, stable; the investigation's JSON loses nothing."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hypocenter import model
from hypocenter.errors import InputError
from hypocenter.verdict_json import (
    investigation_from_json,
    investigation_to_json,
    verdict_part_to_json,
    verdict_to_json,
)

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = json.loads((DOCS / "verdict.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

ONSET = datetime(2026, 3, 4, 3, 7, 30, tzinfo=UTC)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=45))])
INSTANTS = st.timedeltas(timedelta(days=-9000), timedelta(days=27000)).map(lambda gap: ONSET + gap)
TIMES = st.builds(datetime.astimezone, INSTANTS, ZONES)
NAMES = st.text(max_size=12)
NUMBERS = st.floats(allow_nan=False)  # NaN is unequal to itself: it has a test of its own
SHARES = st.floats(0, 1)
COUNTS = {"max_size": 3}


def optional(strategy):
    return st.none() | strategy


def many(strategy):
    return st.lists(strategy, **COUNTS).map(tuple)


SERIES = st.builds(
    model.Series, NAMES, NAMES, st.sampled_from(model.MetricKind), NAMES, NAMES, optional(NAMES), optional(NAMES)
)
EVIDENCE = st.builds(
    model.Evidence,
    NAMES, NAMES, st.booleans(), SHARES, optional(NAMES), NAMES, optional(NUMBERS), optional(NUMBERS), optional(TIMES),
)  # fmt: skip
COUNTERFACTUALS = st.builds(
    model.Counterfactual, NAMES, NAMES, NUMBERS, NUMBERS, NUMBERS, NUMBERS, SHARES, NAMES
)  # fmt: skip
SUSPECTS = st.builds(
    model.Suspect,
    NAMES, SHARES, NUMBERS, NAMES, many(EVIDENCE), many(NAMES), optional(NAMES), optional(COUNTERFACTUALS),
)  # fmt: skip
GRAPHS = st.builds(
    model.GraphView,
    many(st.builds(model.GraphNode, NAMES, st.sampled_from(model.ComponentType), NAMES, NUMBERS)),
    many(st.builds(model.Dependency, NAMES, NAMES, st.sampled_from(model.DependencyType), NAMES)),
    st.integers(0, 500),
)
LEARNED = st.builds(
    model.LearnedOpinion,
    NAMES,
    st.booleans(),
    many(st.builds(model.FaultTypeChance, NAMES, SHARES)),
    optional(SHARES),
    many(NAMES),
    many(st.builds(model.SimilarIncident, NAMES, SHARES, many(NAMES), optional(NAMES), NAMES)),
)
VERDICTS = st.builds(
    model.Verdict,
    case_id=NAMES,
    system=NAMES,
    suspects=many(SUSPECTS),
    cause=optional(NAMES),
    causes=many(NAMES),
    abstained=st.booleans(),
    onset=optional(TIMES),
    onset_uncertainty_s=optional(NUMBERS),
    target=optional(st.builds(model.Target, NAMES, optional(NAMES))),
    propagation=many(st.builds(model.Step, NAMES, optional(TIMES), optional(NAMES), NAMES)),
    ruled_out=many(st.builds(model.RuledOut, NAMES, NAMES, NAMES)),
    blind_spots=many(NAMES),
    timeline=many(st.builds(model.TimelineEntry, TIMES, NAMES, NAMES, NAMES)),
    graph=GRAPHS,
    summary=NAMES,
    observed=many(NAMES),
    candidates=many(NAMES),
    coverage=optional(SHARES),
    wanted_precision=optional(SHARES),
    threshold=optional(SHARES),
    robustness=many(st.builds(model.Trial, NAMES, optional(NAMES), st.booleans())),
    next_check=optional(st.builds(model.NextCheck, many(NAMES), NAMES)),
    learned=optional(LEARNED),
)
VALUES = many(optional(NUMBERS))
CHARTS = st.builds(model.Chart, SERIES, many(TIMES), VALUES, VALUES, VALUES, VALUES, optional(TIMES), NAMES)
INVESTIGATIONS = st.builds(model.Investigation, VERDICTS, many(CHARTS))
EMPTY = model.Verdict("case-1", "shop", (), None, (), True, None, None, None)


def with_evidence(**numbers):
    evidence = model.Evidence("cpu", "CPU rose", **numbers)
    return replace(EMPTY, suspects=(model.Suspect("cart", 0.123456, 4.56789, "cpu_hog", (evidence,)),))


def test_schema_is_itself_valid():
    Draft202012Validator.check_schema(SCHEMA)


@settings(max_examples=60, deadline=None)
@given(VERDICTS)
def test_every_verdict_is_valid_and_strict_json(verdict):
    document = verdict_to_json(verdict)
    VALIDATOR.validate(document)
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert json.dumps(verdict_to_json(verdict)) == text


@settings(max_examples=60, deadline=None)
@given(INVESTIGATIONS)
def test_an_investigation_survives_json_unchanged(investigation):
    text = json.dumps(investigation_to_json(investigation), allow_nan=False)
    assert investigation_from_json(json.loads(text)) == investigation


def test_an_empty_verdict_says_every_field():
    document = verdict_to_json(EMPTY)
    assert set(document) == set(SCHEMA["required"]) == {"schema_version", *(item.name for item in fields(EMPTY))}
    assert document["schema_version"] == 1
    assert document["abstained"] is True
    assert document["graph"] == {"nodes": [], "edges": [], "omitted": 0}


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_null_outside_and_kept_inside(odd):
    verdict = replace(with_evidence(before=odd, after=1.0, share=odd), onset_uncertainty_s=odd)
    document = verdict_to_json(verdict)
    VALIDATOR.validate(document)
    evidence = document["suspects"][0]["evidence"][0]
    assert (evidence["before"], evidence["share"], document["onset_uncertainty_s"]) == (None, None, None)
    message = json.dumps(investigation_to_json(model.Investigation(verdict)), allow_nan=False)
    again = investigation_from_json(json.loads(message)).verdict.suspects[0].evidence[0].before
    assert repr(again) == repr(odd)


def test_numbers_are_rounded_so_that_noise_below_them_does_not_change_the_bytes():
    clean = verdict_to_json(with_evidence(before=0.1 + 0.2, after=-1e-320))
    noisy = verdict_to_json(with_evidence(before=0.3, after=-1e-320))
    assert json.dumps(clean) == json.dumps(noisy)
    suspect = clean["suspects"][0]
    assert (suspect["probability"], suspect["score"], suspect["evidence"][0]["before"]) == (0.1235, 4.568, 0.3)
    assert "-0.0" not in json.dumps(verdict_to_json(with_evidence(before=-0.0, share=-0.0)))


@pytest.mark.parametrize(
    ("onset", "text"),
    [
        (ONSET, "2026-03-04T03:07:30Z"),
        (ONSET.astimezone(timezone(timedelta(hours=9))), "2026-03-04T03:07:30Z"),
        (ONSET.replace(microsecond=250_000), "2026-03-04T03:07:30.250Z"),
    ],
)
def test_times_are_utc_with_z(onset, text):
    assert verdict_to_json(replace(EMPTY, onset=onset))["onset"] == text


def test_a_time_without_a_zone_is_refused():
    verdict = replace(EMPTY, onset=ONSET.replace(tzinfo=None))
    with pytest.raises(InputError, match="no zone"):
        verdict_to_json(verdict)
    with pytest.raises(InputError, match="no zone"):
        investigation_to_json(model.Investigation(verdict))


def paths(value, where=()):
    """Every place in a JSON value, the deepest last."""
    yield where
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*where, key))


def spoiled(document, where, junk):
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = junk
    return copy


def outcome(message):
    try:
        investigation_from_json(message)
    except InputError as error:
        return f"refused in {'one line' if str(error).isprintable() else 'several lines'}"
    return "read"


@pytest.mark.parametrize("junk", [None, 7, "?", [], {}, [3], {"a": 1}, True])
def test_a_spoiled_message_is_refused_or_read_but_never_a_traceback(junk):
    verdict = replace(with_evidence(onset=ONSET), onset=ONSET, target=model.Target("web"))
    message = investigation_to_json(model.Investigation(verdict))
    for where in list(paths(message))[1:]:
        assert outcome(spoiled(message, where, junk)) in {"read", "refused in one line"}


@pytest.mark.parametrize(
    ("where", "junk", "named"),
    [
        (("verdict", "abstained"), "yes", "investigation.verdict.abstained"),
        (("verdict", "suspects", 0, "probability"), "high", r"investigation.verdict.suspects\[0\].probability"),
        (("verdict", "onset"), "yesterday", "investigation.verdict.onset"),
        (("verdict", "graph"), {}, "nodes"),
        (("schema_version",), 99, "schema_version"),
    ],
)
def test_the_error_names_the_field(where, junk, named):
    message = investigation_to_json(model.Investigation(with_evidence()))
    with pytest.raises(InputError, match=named):
        investigation_from_json(spoiled(message, where, junk))


def test_the_page_explains_every_field_as_the_schema_does():
    page = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", (DOCS / "verdict.md").read_text())
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", page, flags=re.MULTILINE)
    objects = [SCHEMA, *(part for part in SCHEMA["$defs"].values() if "properties" in part)]
    told = {(name, field["description"]) for part in objects for name, field in part["properties"].items()}
    assert {(name, meaning.replace("\\|", "|")) for name, meaning in rows} == told


def test_a_part_is_that_of_the_whole():
    suspect = model.Suspect("db", 1 / 3, 2.00049, "cpu")
    verdict = model.Verdict("i", "shop", (suspect,), "db", ("db",), False, None, None, None)
    kept, names = investigation_to_json(model.Investigation(verdict)), ("cause", "suspects")
    assert verdict_part_to_json(kept, names) == {name: verdict_to_json(verdict)[name] for name in names}


@pytest.mark.parametrize("kept", [{}, {"verdict": None}, {"verdict": {"cause": "db"}}])
def test_a_part_that_is_not_there_is_named(kept):
    with pytest.raises(InputError, match=r"investigation\.verdict misses fields: suspects are wanted"):
        verdict_part_to_json(kept, ("suspects",))
