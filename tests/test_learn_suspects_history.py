"""Labelled incidents as what to learn from: every layout, in order, the label apart."""

from __future__ import annotations

import dataclasses
import json

import pytest

from hypocenter.errors import InputError
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter_workers.learn.from_history import examples


def line(number, root, fault="cpu", **more):
    event = {"entity": root, "name": "cpu_usage", "kind": "metric", "state": "up", "ts": None}
    return {
        "case_id": f"incident-{number}",
        "system": "shop",
        "inject_time": f"2026-01-0{number}T10:00:00+00:00",
        "root_entity": root,
        "fault_type": fault,
        "nodes": ["cart", "web"],
        "edges": [["web", "cart"]],
        "events": [event],
    } | more


@pytest.fixture
def incident_file(tmp_path):
    """A file of two incidents."""
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, (line(1, "cart"), line(2, "web", fault="")))), encoding="utf-8")
    return path


def test_a_file_of_incidents_is_read_in_its_order(incident_file):
    first, second = list(examples([incident_file]))
    assert (first[0].incident_id, first[0].system, first[0].at.day) == ("incident-1", "shop", 1)
    assert (first[1].roots, first[1].fault_type, first[1].source) == (("cart",), "cpu", "truth")
    assert (second[1].roots, second[1].fault_type) == (("web",), None)
    assert [scored.component for scored in first[0].ranking.scored] == ["cart", "web"]


def test_a_case_folder_is_ranked_from_the_start_that_it_states(tmp_path):
    simulation = simulate(generate_scenario("fan", services=5, seed=3, fault="cpu_hog"), seed=3)
    folder = write_case(simulation, tmp_path / "fan" / "case")
    [(example, label)] = examples([folder])
    assert example.at == example.case.started_at
    assert set(label.roots) <= {scored.component for scored in example.ranking.scored}
    assert label.fault_type == "cpu_hog"


def test_an_incident_is_the_same_whatever_its_label(incident_file, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(line(1, "cart") | {"root_entity": "web", "fault_type": "disk"}), encoding="utf-8")
    [(told, _), _], [(told_otherwise, label)] = examples([incident_file]), examples([other])
    assert label.roots == ("web",)
    assert dataclasses.replace(told, topology=None) == dataclasses.replace(told_otherwise, topology=None)


def test_processes_find_what_one_finds(incident_file, tmp_path):
    second = tmp_path / "second.jsonl"
    second.write_text(json.dumps(line(3, "web")), encoding="utf-8")
    told = []
    ids = [one.incident_id for one, _ in examples([incident_file, second], jobs=2, progress=told.append)]
    assert ids == ["incident-1", "incident-2", "incident-3"]
    assert told == ["1/2 shop shop.jsonl", "2/2 second second.jsonl"]


def test_what_has_no_label_is_refused(tmp_path):
    with pytest.raises(InputError, match="no labelled cases"):
        list(examples([tmp_path]))
