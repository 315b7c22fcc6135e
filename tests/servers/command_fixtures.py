"""Fixtures: commands of `hypocenter`, called in this process and in an empty folder."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`called(*words)` is exit code, standard output and standard error of `hypocenter` in a folder, empty at first."""
    from hypocenter.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture
def graph_command(called: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`graph_command(*words)` is what `hypocenter graph` answers."""
    monkeypatch.delenv("HYPOCENTER_GRAPH", raising=False)
    return partial(called, "graph")


@pytest.fixture
def history_command(called: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`history_command(*words)` is what `hypocenter history` answers, with records of its own."""
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "records.db"))
    monkeypatch.delenv("HYPOCENTER_GRAPH", raising=False)
    monkeypatch.delenv("HYPOCENTER_HISTORY_TOKEN_FILE", raising=False)
    return partial(called, "history")


@pytest.fixture
def detect(called: Command) -> Command:
    """`detect(*words)` is what `hypocenter detect` answers."""
    return partial(called, "detect")


@pytest.fixture
def doctor(called: Command) -> Callable[..., tuple[int, dict[str, dict[str, str]]]]:
    """`doctor(*words)` is the exit code of `hypocenter doctor`, and what it found by its code."""

    def call(*words: object) -> tuple[int, dict[str, dict[str, str]]]:
        code, out, _ = called("doctor", "--json", *words)
        # What the disk of the machine is like is no matter of ours.
        return code, {each["code"]: each for each in json.loads(out)["findings"] if each["code"] != "disk-low"}

    return call
