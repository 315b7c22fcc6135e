"""Past incidents get their telemetry from a real Prometheus, as far as it remembers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hypocenter.cli import main
from hypocenter.history.fetched_case import folder_name, write_fetched_case
from hypocenter.history.past_incident import PastIncident
from hypocenter.model import Alert
from hypocenter.readers import read_cases
from hypocenter.telemetry import Case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., tuple[int, str, str]]

TINY = """\
system tiny
start 2026-03-03T06:00:00Z
length 10m
step 15s
host one cpus=4 memory=8GiB
service web on=one
load web 5/s
"""
TABLE = """\
incident_id,started_at,root_component,fault_type
INC/1,2026-03-03T06:05:00Z,web,cpu
INC-2,2026-02-01T06:05:00Z,web,cpu
INC-3,2026-03-03T06:05:00Z,,
"""


@pytest.mark.prometheus
def test_what_the_server_remembers_is_attached_once(
    history_command: Command, prometheus_server: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.scenario").write_text(TINY)
    with pytest.raises(SystemExit):
        main(["simulate", "tiny.scenario", "--to", prometheus_server])
    (tmp_path / "own.csv").write_text(TABLE)
    history_command("import", "own.csv", "--from", "csv")
    words = ("attach", "--prometheus", prometheus_server, "--telemetry", "cases", "--lookback", "10m", "--json")

    _, told, _ = history_command(*words)

    place = tmp_path / "cases" / "csv-INC%2F1"
    assert json.loads(told)["attached"] == {"INC/1": str(place)}
    assert list(json.loads(told)["failed"]) == ["INC-2"]
    (case,) = read_cases(place)
    assert (case.case_id, case.dataset) == ("INC/1", "csv")
    assert case.metrics is not None
    assert case.metrics.values.shape[0] > 10
    code, _, error = history_command(*words)
    assert code == 2
    assert "nothing was attached: " in error
    assert "0 new, 0 changed, 3 the same" in history_command("import", "own.csv", "--from", "csv")[1]


def test_a_folder_that_is_there_is_attached_without_asking(history_command: Command, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("incident_id,started_at,root_component\nA,2026-03-03,web\n")
    (tmp_path / "cases" / "csv-A").mkdir(parents=True)
    history_command("import", "own.csv", "--from", "csv")
    _, told, _ = history_command("attach", "--prometheus", "http://192.0.2.1", "--telemetry", "cases")
    assert "1 of 1 incidents" in told


def test_names_of_folders_never_meet(tmp_path: Path) -> None:
    keys = ("a/b", "a-b", "a%2Fb", "../a", "ä", ".", "..")
    alert = Alert("web", "Slow")
    for key in keys:
        incident = PastIncident(key, "jira", key)
        write_fetched_case(Case(key, alerts=(alert,)), incident, tmp_path / folder_name(incident))
    cases = list(read_cases(tmp_path))
    assert sorted(case.case_id for case in cases) == sorted(keys)
    assert all(case.alerts == (alert,) for case in cases)


def test_a_server_must_be_named(history_command: Command) -> None:
    code, _, error = history_command("attach", "--telemetry", "cases")
    assert code == 2
    assert "give --prometheus URL" in error
