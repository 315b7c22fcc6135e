"""`hypocenter doctor`: what it finds wrong with real servers and directories, and that its page knows all of it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hypocenter.api.doctor.findings import EXIT_CODES, KINDS, Severity
from hypocenter.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter_server import HypocenterServer

    Doctor = Callable[..., tuple[int, dict[str, Any]]]

PAGE = (Path(__file__).parents[1] / "docs" / "doctor.md").read_text(encoding="utf-8")


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """`doctor(*words)` is the exit code, and what was found by its code."""

    def call(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--json", *map(str, words)])
        found = json.loads(capsys.readouterr().out)["findings"]
        return int(ended.value.code or 0), {each["code"]: each for each in found}

    return call


def test_the_page_says_all_that_can_be_found() -> None:
    told = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert {code: (severity, advice) for code, severity, advice in told} == {
        code: (str(kind.severity), kind.advice) for code, kind in KINDS.items()
    }


def test_a_new_server_lacks_samples_alone(hypocenter_server: HypocenterServer, doctor: Doctor) -> None:
    code, found = doctor(hypocenter_server.url)
    # Detection does not run in this server, which is what the doctor says.
    assert set(found) - {"disk-low"} == {"no-samples", "beat-gone"}
    assert code == EXIT_CODES[Severity.ERROR]


def test_series_without_a_component_are_named(hypocenter_server: HypocenterServer, doctor: Doctor) -> None:
    rows = f"time,component,metric,value\n{time.time()},cart,latency,1\n"
    assert rows
    body = {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "room_temperature",
                                "gauge": {"dataPoints": [{"timeUnixNano": time.time_ns(), "asDouble": 21.0}]},
                            }
                        ]
                    }
                ]
            }
        ]
    }
    assert httpx.post(f"{hypocenter_server.url}/v1/metrics", json=body).is_success
    _, found = doctor("--data-dir", hypocenter_server.data_dir)
    assert "room_temperature" in found["series-unattributed"]["message"]
    assert found["series-unattributed"]["do"] == KINDS["series-unattributed"].advice
