"""What `--out` writes to, and what it leaves alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hypocenter.cli import main

COMMAND = Path(sys.executable).with_name("hypocenter")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_text("time,web|cpu\n" + "".join(f"{60 * i},{i % 7}\n" for i in range(60)), encoding="utf-8")
    return path


def _code(*arguments: object) -> object:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_a_pipe_is_refused_and_stays(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert _code("investigate", table, "--out", pipe) == 2
    assert "is not a regular file; name a file" in capsys.readouterr().err
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [table, pipe]


def test_a_pipe_behind_a_link_is_refused_too(table: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    assert _code("investigate", table, "--out", tmp_path / "link") == 2
    assert stat.S_ISFIFO((tmp_path / "link").stat().st_mode)


def test_a_link_stays_and_what_it_points_to_is_written(table: Path, tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    link = tmp_path / "latest.html"
    link.symlink_to("shelf/today.html")
    assert _code("investigate", table, "--out", link) == 0
    assert link.is_symlink()
    assert "<html" in (tmp_path / "shelf" / "today.html").read_text(encoding="utf-8").lower()


def test_a_link_that_leads_to_itself_is_refused(table: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert _code("investigate", table, "--out", tmp_path / "loop") == 2


@pytest.mark.parametrize("name", ["m.csv", "same", "calls.csv"])
def test_an_input_is_never_replaced(table: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "calls.csv").write_text("caller,callee\nweb,db\n", encoding="utf-8")
    (tmp_path / "same").symlink_to(table)
    before = table.read_bytes()
    assert _code("investigate", table, "--topology", tmp_path / "calls.csv", "--out", tmp_path / name) == 2
    assert "is or lies in the input" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_nothing_is_written_into_a_case_that_is_read(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    table.rename(folder / "metrics.csv")
    assert _code("investigate", folder, "--out", folder / "metrics.csv") == 2
    assert [path.name for path in folder.iterdir()] == ["metrics.csv"]
    assert (folder / "metrics.csv").read_text(encoding="utf-8").startswith("time,")


def test_extreme_numbers_make_no_noise(tmp_path: Path) -> None:
    rows = "".join(f"{60 * i},{'-' * (i % 2)}1e308,{'-' * (i % 2)}9e99,{i % 5}\n" for i in range(90))
    (tmp_path / "big.csv").write_text(f"time,web|cpu,web|memory_gb,db|cpu\n{rows}", encoding="utf-8")
    shown = subprocess.run(
        [COMMAND, "investigate", tmp_path / "big.csv", "--json"], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stderr) == (0, "")
