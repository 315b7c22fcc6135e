"""An incident in a real Prometheus: simulated, sent, read back and investigated by the installed command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = Path(sys.executable).with_name("hypocenter")
AT = "2026-03-03T11:40:00Z"

TINY = """\
system tiny
start 2026-03-03T06:00:00Z
length 10m
step 15s
host one cpus=4 memory=8GiB
service web on=one
load web 5/s
"""


def _run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def loaded(prometheus_server: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> str:
    """URL of a Prometheus that saw the demo's incident."""
    scenario = pytestconfig.rootpath / "fixtures" / "scenarios" / "shop.scenario"
    sent = _run("simulate", scenario, "--to", prometheus_server, cwd=tmp_path_factory.mktemp("sending"))
    assert sent.returncode == 0, sent.stderr
    return prometheus_server


@pytest.mark.prometheus
def test_the_root_cause_is_found_from_the_server_alone(loaded: str, tmp_path: Path) -> None:
    shown = _run(
        *("investigate", "--prometheus", loaded, "--at", AT, "--lookback", "5h", "--json", "--out", "report.html"),
        cwd=tmp_path,
    )
    assert shown.returncode == 0, shown.stderr
    verdict: dict[str, Any] = json.loads(shown.stdout)
    assert verdict["suspects"][0]["component"] == "orders-db"
    assert (tmp_path / "report.html").stat().st_size < 1_000_000


@pytest.mark.prometheus
def test_nothing_that_matches_is_one_line(loaded: str, tmp_path: Path) -> None:
    shown = _run("investigate", "--prometheus", loaded, "--at", AT, "--match", '{namespace="none"}', cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.startswith("hypocenter: error: ")
    assert shown.stderr.count("\n") == 1


@pytest.mark.prometheus
def test_the_default_selection_is_not_spelled_out(loaded: str, tmp_path: Path) -> None:
    shown = _run("investigate", "--prometheus", loaded, "--at", "2026-02-20", cwd=tmp_path)
    assert shown.returncode == 2
    assert "no series matches the default selection in that time" in shown.stderr


@pytest.mark.prometheus
def test_what_is_sent_shifted_says_when_its_fault_began(loaded: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.scenario").write_text(f"{TINY}fault cpu_hog web at=5m\n", encoding="utf-8")
    tiny = ("simulate", "tiny.scenario", "--to", loaded, "--ending-at", "2026-03-02T06:10:00Z")
    sent = _run(*tiny, cwd=tmp_path).stdout.splitlines()
    assert sent[1:] == ["fault began  2026-03-02T06:05:00Z (shifted)"]
    both = _run(*tiny, "--out", "made", cwd=tmp_path).stdout.splitlines()
    assert both[2:] == [*sent[1:], "the case in --out keeps the times of the scenario; only what was sent is shifted"]
    truth = json.loads((tmp_path / "made" / "truth.json").read_text(encoding="utf-8"))
    assert truth["started_at"] == "2026-03-03T06:05:00+00:00"


@pytest.mark.prometheus
def test_an_address_that_takes_no_samples_is_one_line(loaded: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.scenario").write_text(TINY, encoding="utf-8")
    shown = _run("simulate", "tiny.scenario", "--to", f"{loaded}/api/v1/query", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (3, "")
    assert shown.stderr.count("\n") == 1


@pytest.mark.prometheus
def test_a_start_that_nobody_tells_is_found_in_the_time_up_to_now(loaded: str, tmp_path: Path) -> None:
    scenario = Path(__file__).parents[1] / "fixtures" / "scenarios" / "shop.scenario"
    sent = _run("simulate", scenario, "--to", loaded, "--ending-at", "now", cwd=tmp_path)
    assert sent.returncode == 0, sent.stderr
    shown = _run("investigate", "--prometheus", loaded, "--lookback", "3h", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    verdict: dict[str, Any] = json.loads(shown.stdout)
    assert verdict["suspects"][0]["component"] == "orders-db"
