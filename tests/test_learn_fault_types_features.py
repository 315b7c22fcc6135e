"""The features of fault types: the same in training and serving, blind to the label and to what comes later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learn_incidents import SERVICES, START, history, renamed

from hypocenter.model import Alert, ChangeEvent
from hypocenter_workers.learn.columns import Columns, choose_columns
from hypocenter_workers.learn.from_history import example_of
from hypocenter_workers.learn.incident_features import features_of, is_local
from hypocenter_workers.learn.type_trees import look_at

DATED = history(6, dated=True)


def test_looking_at_the_same_incident_twice_gives_the_same_numbers() -> None:
    for example, _ in DATED:
        assert look_at(features_of(example)).expected == look_at(features_of(example_of(example.case))).expected


def test_what_comes_after_the_decision_is_not_seen() -> None:
    example, _ = DATED[0]
    due = START + timedelta(minutes=10)
    later = due + timedelta(seconds=1)
    more = replace(
        example.case,
        alerts=(*example.case.alerts, Alert("stock", "heap_used_bytes", later, "metric", "up")),
        changes=(ChangeEvent("stock", later),),
    )
    before = features_of(replace(example, decided_at=due), {"web": 1.0})
    after = features_of(replace(example, case=more, decided_at=due), {"web": 1.0})
    seen = features_of(replace(example, case=more), {"web": 1.0})
    assert look_at(before) == replace(look_at(after), incident=before)
    assert look_at(seen).expected != look_at(before).expected


def test_a_look_with_the_root_sees_no_other_numbers_than_without() -> None:
    for example, label in DATED:
        incident = features_of(example, {"web": 0.7, "cart": 0.3})
        told, asked = look_at(incident, label.roots), look_at(incident)
        assert told.expected == asked.expected
        assert {c: told.rooted[c] for c in asked.rooted} == dict(asked.rooted)


@settings(max_examples=10)
@given(st.permutations(SERVICES))
def test_renaming_components_leaves_every_feature_as_it_was(names: list[str]) -> None:
    example, label = DATED[1]
    other = dict(zip(SERVICES, (f"x-{name}" for name in names), strict=True))
    own = look_at(features_of(example, {label.roots[0]: 1.0}))
    theirs = look_at(features_of(renamed(example, other), {other[label.roots[0]]: 1.0}))
    assert theirs.expected == pytest.approx(own.expected)
    assert theirs.rooted[other[label.roots[0]]] == pytest.approx(own.rooted[label.roots[0]])


def test_the_core_holds_no_name_of_a_component_metric_or_template() -> None:
    for example, _ in DATED:
        look = look_at(features_of(example))
        core = " ".join(
            feature for row in (look.expected, *look.rooted.values()) for feature in row if not is_local(feature)
        )
        named = {alert.name for alert in example.case.alerts} - {"call"} | set(SERVICES)
        assert not [name for name in named if name in core]


def test_the_order_of_alerts_does_not_matter() -> None:
    example, _ = DATED[2]
    turned = replace(example, case=replace(example.case, alerts=example.case.alerts[::-1]))
    assert look_at(features_of(turned)).expected == look_at(features_of(example)).expected


def test_without_suspects_an_incident_is_still_seen_as_a_whole() -> None:
    look = look_at(features_of(DATED[0][0], {}))
    assert look.rooted == {}
    assert look.expected


@settings(max_examples=25)
@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.floats(-9, 9, width=32).filter(bool)), max_size=8))
def test_a_matrix_holds_what_the_rows_say(rows: list[dict[str, float]]) -> None:
    columns = Columns(("a", "c", "e"))
    naive = [[row.get(name, 0.0) for name in columns.names] for row in rows]
    assert columns.matrix(rows).toarray().tolist() == naive


def test_columns_are_features_that_two_rows_have() -> None:
    assert choose_columns([{"a": 1.0, "b": 1.0}, {"b": 1.0}, {"c|=x": 1.0}, {"c|=x": 2.0}]).names == ("b", "c|=x")
    assert choose_columns([{"b": 1.0}, {"b": 1.0}], lambda name: name != "b").names == ()
