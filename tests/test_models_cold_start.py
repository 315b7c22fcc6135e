"""The model that ships with the package: small, of simulated incidents and labelled so, and without names."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter.simulator.faults import FAULTS
from hypocenter_workers.learn.from_history import examples
from hypocenter_workers.learn.incident_features import is_local
from hypocenter_workers.learn.serving import COLD_START, Served, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def cold_start() -> Served:
    return load()


def test_it_is_small_and_of_simulated_incidents(cold_start: Served) -> None:
    assert COLD_START.stat().st_size < 1_000_000
    card = cold_start.model.card
    assert card.simulated
    assert cold_start.label.endswith("simulated incidents")
    assert set(card.labelled_by) == {"truth"}
    assert set(card.fault_types) <= set(FAULTS)
    assert card.figures
    assert card.gate is not None


def test_it_is_texts_alone(cold_start: Served) -> None:
    with zipfile.ZipFile(COLD_START) as archive:
        assert {name.rpartition(".")[2] for name in archive.namelist()} <= {"json", "txt"}
    trees = [text for name, text in cold_start.model.parts.items() if name.endswith(".txt")]
    assert trees
    assert all(text.startswith("tree\n") for text in trees)


def test_it_knows_no_name_of_a_simulated_system(cold_start: Served) -> None:
    stated = json.loads(cold_start.model.parts["fault_types.json"])
    features = {name for names in stated["columns"].values() for name in names}
    assert features
    assert not any(map(is_local, features))
    assert not any(map(is_local, cold_start.model.card.features))


def test_it_has_an_opinion_on_an_incident_of_a_system_that_it_has_not_seen(cold_start: Served, tmp_path: Path) -> None:
    scenario = generate_scenario("mesh", services=7, seed=99, fault="cpu_hog", length=5400.0)
    [(example, _)] = examples([write_case(simulate(scenario, seed=99), tmp_path / "mesh" / "case")])
    opinion = cold_start.opinion(example)
    assert opinion.model == cold_start.label
    assert {one.fault_type for one in opinion.fault_types} == set(cold_start.model.card.fault_types)
    assert opinion.similar == ()
    assert not opinion.re_ranked
    assert cold_start.rescore(example) is example.ranking


def test_reading_it_loads_no_lightgbm() -> None:
    code = (
        "import sys; from hypocenter_workers.learn.serving import load; load().label; "
        "print(any(name.split('.')[0] == 'lightgbm' for name in sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "False"
