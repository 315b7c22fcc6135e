"""Which incidents somebody should look at again, as the command says it."""

from __future__ import annotations

import json
import random

import pytest

from hypocenter.cli import main
from hypocenter.stores.opening import open_records

SERVICES = ("cart", "db", "mail", "pay", "web")
TYPES = {"memory": "heap_usage", "cpu": "cpu_usage"}


def incident(number, alerts, fault=None):
    """Alerts as (component, name) over a star of services; labelled where a fault is known."""
    events = [{"entity": entity, "name": name, "kind": "metric", "state": "up"} for entity, name in alerts]
    edges = [["web", other] for other in SERVICES if other != "web"]
    label = {"root_entity": alerts[-1][0], "fault_type": fault} if fault else {}
    return {"case_id": f"i{number}", "system": "shop", "nodes": SERVICES, "edges": edges, "events": events, **label}


def clear(number, rng):
    fault = rng.choice(sorted(TYPES))
    return incident(number, [("web", "latency_p99"), (rng.choice(SERVICES[:-1]), TYPES[fault])], fault)


def file_of(folder, name, incidents):
    path = folder / name
    path.write_text("\n".join(map(json.dumps, incidents)), encoding="utf-8")
    return path


def called(*words):
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, words)))
    return ended.value.code or 0


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of forty incidents that leave no doubt."""
    folder, rng = tmp_path_factory.mktemp("model"), random.Random(3)
    history = file_of(folder, "history.jsonl", [clear(number, rng) for number in range(40)])
    assert called("train", history, "--out", folder / "shop.model") == 0
    return folder / "shop.model"


@pytest.fixture
def unsolved(tmp_path):
    """Three that are as clear as all before, and one that shows both kinds of fault at once."""
    rng = random.Random(4)
    both = incident(99, [("db", "heap_usage"), ("db", "cpu_usage")])
    return file_of(tmp_path, "unsolved.jsonl", [*(clear(number, rng) for number in range(50, 53)), both])


def test_what_the_model_is_unsure_of_comes_first_with_its_reason(model, unsolved, capsys):
    capsys.readouterr()
    assert called("history", "review", unsolved, "--model", model, "--json") == 0
    queue = json.loads(capsys.readouterr().out)
    assert queue[0]["incident_id"] == "i99"
    assert queue[0]["unsure"] == max(one["unsure"] for one in queue)
    assert len(queue) == 4
    assert all(0 <= one["unsure"] <= 1 and one["alike"] >= 0 for one in queue)


def test_no_more_are_named_than_asked_for(model, unsolved, capsys):
    capsys.readouterr()
    assert called("history", "review", unsolved, "--model", model, "--most", 1) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("i99: its type is ")


def test_the_kept_history_is_asked_for_what_nobody_labelled(model, unsolved, tmp_path, capsys):
    table = tmp_path / "kept.csv"
    table.write_text(
        "incident_id,started_at,root_component,fault_type,telemetry\n"
        f"i50,2026-01-31T12:00:00Z,db,cpu,{unsolved}\n"
        f"i99,2026-01-31T13:00:00Z,,,{unsolved}\n",
        encoding="utf-8",
    )
    records = tmp_path / "records.db"
    assert called("history", "import", table, "--from", "csv", "--records", records) == 0
    capsys.readouterr()
    assert called("history", "review", "--kept", "--records", records, "--model", model, "--json") == 0
    assert [one["incident_id"] for one in json.loads(capsys.readouterr().out)] == ["i99"]


def test_a_history_without_open_cases_says_so(model, tmp_path, capsys):
    records = tmp_path / "records.db"
    open_records(str(records)).close()
    assert called("history", "review", "--kept", "--records", records, "--model", model) == 0
    assert capsys.readouterr().out == "no incident to review\n"


@pytest.mark.parametrize("words", [[], ["--kept", "CASE"]])
def test_cases_or_the_kept_history_not_both(words, capsys):
    assert called("history", "review", *words) == 2
    assert "give one or more CASEs, or --kept" in capsys.readouterr().err


def test_without_a_model_there_is_nothing_to_teach(unsolved, capsys):
    assert called("history", "review", unsolved, "--model", "none") == 2
    assert "no model to teach" in capsys.readouterr().err
