"""The readers on real, labelled data, where HYPOCENTER_DATA names a folder of it."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypocenter.readers import read_cases

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.data


def test_every_case_of_every_data_set_is_read(data_folder: Path) -> None:
    folders = sorted(path for path in (data_folder / "cases").iterdir() if path.is_dir())
    assert folders
    for folder in folders:
        names = sorted(path.parent.name for path in folder.glob("*/case.json"))
        cases = list(read_cases(folder))
        assert [case.case_id for case in cases] == names
        for case in cases:
            assert case.started_at is not None
            assert case.metrics is not None
            assert all(labels["component"] and labels["__name__"] for labels in case.metrics.labels)
            assert (np.diff(case.metrics.times) > np.timedelta64(0)).all()


def test_what_a_case_folder_holds_is_in_its_case(data_folder: Path) -> None:
    for path in sorted((data_folder / "cases").glob("*/*/case.json"))[::7]:
        stated = json.loads(path.read_text())
        extras = stated["extras"]
        (case,) = read_cases(path.parent)
        held = {each.name.partition(".")[0] for each in path.parent.iterdir()}
        assert (case.dependencies is None) == (stated["dependencies"] is None)
        assert (case.spans is not None) == ("spans" in held)
        assert (case.log_lines is not None) == ("log_lines" in held)
        assert (case.service_minutes is not None) == ("trace_min" in held)
        assert (case.edge_minutes is not None) == ("edges_min" in held)
        assert len(case.reference) == bool(extras.get("normal")) + len(extras.get("normal_warmup", []))
        assert len(case.masked) == len(extras.get("other_faults_in_window", []))
        assert len(case.changes) == len(extras.get("deploys", []))
        assert (case.target is not None) == ("target" in extras or "alert" in extras)


def test_every_incident_of_every_history_is_read_without_its_answer(data_folder: Path) -> None:
    paths = sorted((data_folder / "events").glob("*.jsonl.gz"))
    assert paths
    for path in paths:
        lines = gzip.decompress(path.read_bytes()).splitlines()
        cases = list(read_cases(path))
        assert len(cases) == len(lines)
        for case, line in zip(cases, lines, strict=True):
            stated = json.loads(line)
            assert case.case_id == stated["case_id"]
            assert len(case.alerts) + sum(not event["entity"] for event in stated["events"]) == len(stated["events"])
            assert len(case.dependencies or ()) >= len({tuple(edge) for edge in stated["edges"]})
