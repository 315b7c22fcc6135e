"""Which case is the telemetry of which past incident, where places hold several or are named by several."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from hypocenter.history.past_incident import PastIncident
from hypocenter_workers.learn.past import examples_of_history

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def case_folder(place: Path, case_id: str, component: str, system: str = "") -> str:
    """A case in which one component alone is in trouble."""
    place.mkdir(parents=True)
    alert = {"component": component, "name": "error", "at": NOON.isoformat()}
    case = {"case_id": case_id, "components": [component, "web"], "started_at": NOON.isoformat()}
    case |= {"system": system} if system else {}
    (place / "case.json").write_text(json.dumps({**case, "extras": {"alerts": [alert]}}), encoding="utf-8")
    return str(place)


def past(name: str, telemetry: object, key: str = "", **known: Any) -> PastIncident:
    root = known.pop("root", f"root of {name}")
    return PastIncident(name, "csv", key or name, root_components=(root,), telemetry=str(telemetry), **known)


def learned_from(incidents: Sequence[PastIncident]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The incidents that are yielded, by id, component in trouble and root; and what was told of the rest."""
    told: list[str] = []
    found = examples_of_history(incidents, on_error=lambda _, error: told.append(str(error)))
    return [(one.incident_id, one.case.alerts[0].component, label.roots[0]) for one, label in found], told


def test_in_a_folder_of_cases_each_incident_is_the_case_of_its_name(tmp_path: Path) -> None:
    for name in ("00000", "00004", "00008"):
        case_folder(tmp_path / name, name, f"seen in {name}")
    incidents = [past("00000", tmp_path), past("00008", tmp_path), past("00099", tmp_path)]
    found, told = learned_from(incidents)
    assert found == [(name, f"seen in {name}", f"root of {name}") for name in ("00000", "00008")]
    (said,) = told
    assert said.startswith(f"{tmp_path}: holds no case 00099 of its own")


def test_one_case_is_the_one_incidents_that_names_its_folder_whatever_it_is_called(tmp_path: Path) -> None:
    place = case_folder(tmp_path / "a", "fetched-7", "db")
    assert learned_from([past("INC-7", place)]) == ([("INC-7", "db", "root of INC-7")], [])


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_incidents_in_the_folder_of_one_case_only_the_one_of_its_name_is_read(
    tmp_path: Path, turned: bool
) -> None:
    place = case_folder(tmp_path / "a", "INC-7", "db")
    incidents = [past("INC-7", place), past("INC-8", place)]
    found, told = learned_from(incidents[::-1] if turned else incidents)
    assert found == [("INC-7", "db", "root of INC-7")]
    assert "holds no case INC-8 of its own" in told[0]


def test_which_of_several_cases_a_differently_named_incident_is_cannot_be_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        case_folder(tmp_path / name, name, "db")
    found, told = learned_from([past("INC-7", tmp_path)])
    assert found == []
    assert f"{tmp_path}: holds no case INC-7 of its own" in told[0]


def test_of_incidents_of_one_name_each_is_the_case_of_its_system(tmp_path: Path) -> None:
    for system in ("hotel", "shop"):
        case_folder(tmp_path / system, "7", f"seen in {system}", system)
    both = [past("7", tmp_path, key=system, system=system, root=f"root in {system}") for system in ("shop", "hotel")]
    expected = [("7", f"seen in {system}", f"root in {system}") for system in ("hotel", "shop")]
    assert learned_from(both) == (expected, [])
    found, told = learned_from([past("7", tmp_path, key=str(number)) for number in range(2)])
    assert found == []
    assert "holds no case 7 of its own" in told[0]
