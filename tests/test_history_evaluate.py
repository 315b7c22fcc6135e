"""What learning from history is worth, measured on other incidents: in words, as JSON, and never on the same."""

from __future__ import annotations

import json
import math
import random

import pytest

from hypocenter.cli import main
from hypocenter.errors import InputError
from hypocenter_workers.learn.figures import Said
from hypocenter_workers.learn.history_evaluation import all_figures, evaluate_history

SERVICES = ("cart", "db", "mail", "pay", "web")
TYPES = {"memory": "heap_usage", "cpu": "cpu_usage"}


def line(number, rng):
    """An incident with one telling alert at its root among louder ones; `web` is always loud."""
    root, fault = rng.choice(SERVICES), rng.choice(sorted(TYPES))
    noise = [(c, rng.choice(["net_in", "fs_usage"]), "up") for c in rng.sample(SERVICES, 3)]
    loud = [("web", f"latency_{p}", "up") for p in ("p50", "p90", "p99")]
    told = [(root, TYPES[fault], "down" if fault == "memory" else "up")]
    events = [{"entity": c, "name": n, "kind": "metric", "state": s} for c, n, s in (*noise, *loud, *told)]
    edges = [["web", other] for other in SERVICES if other != "web"]
    label = {"root_entity": root, "fault_type": fault}
    return {"case_id": f"i{number}", "system": "shop", "nodes": SERVICES, "edges": edges, "events": events, **label}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Forty incidents to learn from and twenty others."""
    rng, folder = random.Random(2), tmp_path_factory.mktemp("history")
    lines = [json.dumps(line(number, rng)) for number in range(60)]
    train, test = folder / "train.jsonl", folder / "test.jsonl"
    train.write_text("\n".join(lines[:40]), encoding="utf-8")
    test.write_text("\n".join(lines[40:]), encoding="utf-8")
    return train, test


def called(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["history", "evaluate", *map(str, words)])
    shown = capsys.readouterr()
    return ended.value.code or 0, shown.out, shown.err


def test_json_states_every_figure_with_its_interval(files, capsys):
    train, test = files
    code, out, _ = called(capsys, "--train", train, "--test", test, "--json")
    assert code == 0
    stated = json.loads(out)
    [tested] = stated["tested"]
    assert (stated["incidents"], tested["name"], tested["incidents"]) == (40, "test.jsonl", 20)
    figures = {figure["name"]: figure for figure in tested["figures"]}
    assert figures["root cause first"]["value"] > figures["root cause first"]["unlearned"]
    assert figures["fault type, weighted F1"]["value"] > 0.9
    assert {"log-loss, root cause", "Brier score, fault type", "calibration error, root cause"} <= set(figures)
    assert all(
        figure["low"] <= figure["value"] <= figure["high"] for name, figure in figures.items() if "error" not in name
    )


def test_the_table_says_what_may_serve_and_is_the_same_again(files, capsys):
    train, test = files
    first, second = (called(capsys, "--train", train, "--test", test)[1] for _ in range(2))
    assert first == second
    assert "Learned from 40 incidents; the order of suspects: learned" in first
    assert "root cause first" in first
    assert "\n\ntest.jsonl: 20 incidents\n" in first
    assert "\\n" not in first


def test_an_incident_to_learn_from_is_not_asked_about(files, capsys):
    train, _ = files
    code, _, err = called(capsys, "--train", train, "--test", train)
    assert code == 2
    assert "incident i0 is among those to learn from too" in err


def test_another_incident_of_the_same_id_is_another_one(files, tmp_path):
    train, test = files
    renamed = tmp_path / "renamed.jsonl"
    lines = [json.loads(line) for line in test.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(json.dumps(one | {"case_id": f"i{number}"}) for number, one in enumerate(lines))
    renamed.write_text(text, encoding="utf-8")
    assert evaluate_history([train], [renamed]).tested[0].incidents == 20


def test_every_test_file_is_measured_by_itself(files, tmp_path):
    train, test = files
    halves = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    lines = test.read_text(encoding="utf-8").splitlines()
    for path, own in zip(halves, (lines[:12], lines[12:]), strict=True):
        path.write_text("\n".join(own), encoding="utf-8")
    told = []
    evaluation = evaluate_history([train], halves, progress=told.append)
    assert [(tested.name, tested.incidents) for tested in evaluation.tested] == [("one.jsonl", 12), ("two.jsonl", 8)]
    assert "learning from 40 incidents" in told


def test_too_little_history_leaves_the_unlearned_order(files, tmp_path):
    train, test = files
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(train.read_text(encoding="utf-8").splitlines()[:5]), encoding="utf-8")
    evaluation = evaluate_history([few], [test])
    first = evaluation.tested[0].figures[0]
    assert evaluation.level == "prior"
    assert first.value == first.unlearned


def test_what_cannot_be_read_is_refused(files, tmp_path):
    with pytest.raises(InputError, match="no labelled cases"):
        evaluate_history([tmp_path], [files[1]])


@pytest.mark.parametrize(
    ("roots", "brier", "log_loss"),
    [
        (("cart",), 0.5**2 + 0.3**2 + 0.2**2, 0.5),
        (("cart", "db"), 0.2**2 + 0.2**2, 0.8),
        (("cart", "db", "db"), 0.2**2 + 0.2**2, 0.8),
        (("cart", "db", "pay"), 0.0, 1.0),
        (("cart", "elsewhere"), 0.5**2 + 0.3**2 + 0.2**2, 0.5),
        (("elsewhere",), 1.0 + 0.5**2 + 0.3**2 + 0.2**2, 1e-6),
    ],
)
def test_several_right_roots_are_one_outcome(roots, brier, log_loss):
    chances = {"cart": 0.5, "db": 0.3, "pay": 0.2}
    figures = {f.name: f.value for f in all_figures([Said(roots, chances, chances, chances)])}
    assert figures["Brier score, root cause"] == pytest.approx(brier)
    assert figures["log-loss, root cause"] == pytest.approx(-math.log(log_loss))
