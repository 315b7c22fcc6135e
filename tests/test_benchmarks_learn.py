"""The benchmark of learning: what it keeps can be taken up again, and its rows say what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
KEPT = FOLDER / "results" / "learn.json"


@pytest.fixture
def modules(monkeypatch):
    """The modules beside the script, imported as the script imports them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import bench_learn
    import learn_cases
    import learn_tables

    return bench_learn, learn_cases, learn_tables


@pytest.fixture
def incident_file(tmp_path):
    """Three incidents in a file."""
    events = [{"entity": "cart", "name": "cpu_usage", "kind": "metric", "state": "up"}]
    lines = [
        {"case_id": f"i{n}", "system": "shop", "nodes": ["cart", "web"], "edges": [["web", "cart"]], "events": events}
        | {"root_entity": "cart" if n else "web", "fault_type": "cpu"}
        for n in range(3)
    ]
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_what_was_ranked_is_read_the_next_time(modules, incident_file, tmp_path):
    _, cases, _ = modules
    sources = cases.in_turn([incident_file])
    first = cases.known_of(sources, tmp_path / "kept")
    incident_file.unlink()
    again = cases.known_of(sources, tmp_path / "kept")
    assert [one.roots for one in first] == [("web",), ("cart",), ("cart",)]
    for one, other in zip(first, again, strict=True):
        assert (one.suspects.components, one.suspects.signs) == (other.suspects.components, other.suspects.signs)
        np.testing.assert_array_equal(one.suspects.core, other.suspects.core)


def test_features_of_another_version_are_not_taken_up(modules, incident_file, tmp_path):
    _, cases, _ = modules
    sources = cases.in_turn([incident_file])
    cases.known_of(sources, tmp_path)
    [kept] = tmp_path.glob("shop-*.jsonl")
    kept.write_text(kept.read_text(encoding="utf-8").replace('"prior odds"', '"odds"'), encoding="utf-8")
    with pytest.raises(SystemExit, match="remove it"):
        cases.known_of(sources, tmp_path)


def test_each_group_is_asked_of_all_others(modules, incident_file, tmp_path):
    _, cases, _ = modules
    known = cases.known_of(cases.in_turn([incident_file]), tmp_path / "kept")
    groups = {"a": known[:1], "b": known[1:]}
    assert [(name, len(others), len(own)) for name, others, own in cases.left_out(groups)] == [("a", 2, 1), ("b", 1, 2)]


def test_a_learned_order_stands_beside_the_prior_with_its_interval(modules, incident_file, tmp_path):
    _, cases, tables = modules
    known = cases.known_of(cases.in_turn([incident_file]), tmp_path / "kept")
    first, third, _ = tables.beside_prior("part", "shop", known, [np.array([0.1, 0.9])] * 3)
    assert first["unlearned"] == pytest.approx(2 / 3), "the cart alerts, and it was the cart twice"
    assert first["learned"] == pytest.approx(1 / 3)
    assert first["difference"].startswith("-0.333 (")
    assert third["learned"] == 1.0
    assert list(first) == list(tables.COLUMNS)


def test_the_area_under_precision_and_recall(modules):
    _, _, tables = modules
    assert tables.area(np.array([0.9, 0.8, 0.1]), np.array([1.0, 1.0, 0.0])) == 1.0
    assert tables.area(np.array([0.9, 0.8, 0.1]), np.array([0.0, 1.0, 0.0])) == 0.5


def test_the_kept_curve_is_never_significantly_worse_than_the_prior():
    rows = json.loads(KEPT.read_text(encoding="utf-8"))["rows"]
    curve = [row for row in rows if row["part"] == "Learning curve"]
    assert curve
    for row in curve:
        high = float(row["difference"].split(" to ")[1].rstrip(")"))
        assert high >= 0, f"{row['data']}, {row['measure']}: {row['difference']}"
