"""The command as a process: interrupted, without room for its output, and at a terminal."""

from __future__ import annotations

import io
import os
import pty
import resource
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from hypocenter.cli import main

COMMAND = Path(sys.executable).with_name("hypocenter")


def test_an_interrupt_ends_it_without_a_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.scenario"
    os.mkfifo(pipe)
    program = subprocess.Popen(
        [COMMAND, "simulate", pipe, "--out", tmp_path / "made"], stderr=subprocess.PIPE, text=True
    )
    # Opening blocks until the program opens the other end, so it is certainly at work.
    with pipe.open("w", encoding="utf-8"):
        program.send_signal(signal.SIGINT)
        _, shown = program.communicate(timeout=60)
    assert program.returncode == 130
    assert shown.strip() == ""
    assert not (tmp_path / "made").exists()


def _take_no_bytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_an_output_without_room_is_one_line(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as full:
        shown = subprocess.run(
            [COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, preexec_fn=_take_no_bytes
        )
    assert shown.returncode == 2
    assert shown.stderr == "hypocenter: error: the output takes no more: File too large\n"


def _print_to_a_closed_stream(*arguments: str) -> None:
    closed = io.StringIO()
    closed.close()
    with redirect_stdout(closed):
        main(arguments)


def test_an_unexpected_failure_is_one_line_unless_more_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _print_to_a_closed_stream("simulate", "--help")
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert shown.startswith("hypocenter: error: unexpected failure: ValueError")
    assert shown.count("\n") == 1
    with pytest.raises(ValueError, match="closed file"):
        _print_to_a_closed_stream("--traceback", "simulate", "--help")


def test_progress_is_shown_at_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("time,web|cpu\n" + "".join(f"{60 * i},{i % 7}\n" for i in range(60)), "utf-8")
    ours, its = pty.openpty()
    shown = subprocess.run([COMMAND, "investigate", tmp_path / "m.csv", "--json"], stdout=subprocess.PIPE, stderr=its)
    os.close(its)
    with os.fdopen(ours, "rb") as terminal:
        said = terminal.read1()
    assert shown.returncode == 0, said
    assert said.startswith(b"investigating ")


EXACT = """
import json, sys
from datetime import UTC, datetime
from hypocenter.model import Alert
from hypocenter.telemetry import Case
from hypocenter.verdict_json import investigation_to_json
from hypocenter_workers.investigate import Options, investigate

at = datetime(2026, 3, 1, tzinfo=UTC)
fired = [(f"c{n % 7}", f"rule-{n % 11}", ("metric", "log", "trace")[n % 3], str(n % 5)) for n in range(90)]
alerts = tuple(Alert(component, name, at, modality, state) for component, name, modality, state in fired)
print(json.dumps(investigation_to_json(investigate(Case("alerts", alerts=alerts), Options(at=at)))))
"""


def test_a_verdict_is_the_same_to_the_last_digit_in_every_process() -> None:
    """Sets are walked in an order that differs by process, and sums of the same numbers by their order."""
    told = [
        subprocess.run(
            [sys.executable, "-c", EXACT], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert told[0] == told[1] == told[2]
    assert b'"suspects"' in told[0]
