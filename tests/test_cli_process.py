"""The command as a process: interrupted, without room for its output, and at a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

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


def test_an_unexpected_failure_is_one_line_unless_more_is_asked_for() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        short = subprocess.run([COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        long = subprocess.run(
            [COMMAND, "--traceback", "simulate", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert short.returncode == 1
    assert short.stderr.startswith("hypocenter: error: unexpected failure: OSError")
    assert short.stderr.count("\n") == 1
    assert long.returncode == 1
    assert "Traceback (most recent call last)" in long.stderr


def test_progress_is_shown_at_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("time,web|cpu\n" + "".join(f"{60 * i},{i % 7}\n" for i in range(60)), "utf-8")
    ours, its = pty.openpty()
    shown = subprocess.run([COMMAND, "investigate", tmp_path / "m.csv", "--json"], stdout=subprocess.PIPE, stderr=its)
    os.close(its)
    with os.fdopen(ours, "rb") as terminal:
        said = terminal.read1()
    assert shown.returncode == 0, said
    assert said.startswith(b"investigating ")
