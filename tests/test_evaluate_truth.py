"""The pipeline cannot see the truth: not in its verdicts, and not among the files that it opens."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from hypocenter.readers import read_cases
from hypocenter.simulator import generate_scenario, simulate, write_case

WATCHED = """
import json, sys
opened = []
sys.addaudithook(lambda event, details: opened.append(str(details[0])) if event == "open" else None)
from hypocenter.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(opened), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A simulated case with its labels."""
    simulation = simulate(generate_scenario("fan", services=5, seed=3, fault="cpu_hog"), seed=3)
    return write_case(simulation, tmp_path_factory.mktemp("simulated") / "case")


def verdict_of(path):
    from hypocenter_workers.investigate import Options, investigate

    return [investigate(case, Options()).verdict for case in read_cases(path)]


def falsify(folder):
    stated = json.loads((folder / "truth.json").read_text())
    other = json.loads((folder / "case.json").read_text())["components"][-1]["name"]
    (folder / "truth.json").write_text(json.dumps(stated | {"root_component": other, "root_components": [other]}))


def garble(folder):
    for path in folder.glob("truth*"):
        path.write_bytes(b"\x00 no truth here")


def block(folder):
    for path in folder.glob("truth*"):
        path.unlink()
        path.mkdir()


def remove(folder):
    for path in folder.glob("truth*"):
        path.unlink()


@pytest.mark.parametrize("spoil", [falsify, garble, block, remove])
def test_the_verdict_is_the_same_whatever_becomes_of_the_truth(labelled, tmp_path, spoil):
    copy = tmp_path / labelled.name
    shutil.copytree(labelled, copy)
    spoil(copy)
    assert verdict_of(copy) == verdict_of(labelled)


def test_an_investigation_opens_no_file_of_the_truth(labelled, tmp_path):
    command = [sys.executable, "-c", WATCHED, "investigate", str(labelled), "--json", "--out", str(tmp_path / "r.html")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    opened = json.loads(run.stderr.splitlines()[-1])
    assert str(labelled / "case.json") in opened
    assert [path for path in opened if path.startswith(str(labelled)) and "truth" in path[len(str(labelled)) :]] == []


def test_the_verdict_is_the_same_without_the_labels_of_an_incident(tmp_path):
    events = [
        {"ts": None, "kind": "metric", "entity": name, "name": "latency", "state": "up"}
        for name in ("db-0", "web-0", "web-1", "web-0")
    ]
    stated = {"case_id": "made-1", "dataset": "made", "system": "shop", "inject_time": None, "events": events}
    stated |= {"nodes": ["web-0", "web-1", "db-0"], "edges": [["web-0", "db-0"], ["web-1", "db-0"]]}
    label = {"root_entity": "db-0", "root_service": "db", "root_level": "instance", "fault_type": "cpu"}
    verdicts = []
    for name, record in (
        ("with", stated | label),
        ("without", stated),
        ("false", stated | label | {"root_entity": "web-1"}),
    ):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps(record) + "\n")
        verdicts.append(verdict_of(path))
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert len(verdicts[0]) == 1
