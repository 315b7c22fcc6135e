"""The lines of "Let your tools send it" do in a row what the page says."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypocenter_server import HypocenterServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Let your tools send it")[2].partition("\n## ")[0]
LINES = [line for line in SECTION.splitlines() if line.startswith("hypocenter ")]
URL, FOLDER = "http://127.0.0.1:4477", "hypocenter-data"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HypocenterServer]:
    with HypocenterServer(tmp_path / FOLDER) as server:
        yield server


def test_the_lines_lead_from_a_server_to_the_cause_and_to_tokens(server: HypocenterServer, tmp_path: Path) -> None:
    def run(line: str) -> str:
        words = shlex.split(line.replace(URL, server.url).replace("fixtures/", f"{ROOT}/fixtures/"))
        program = str(Path(sys.executable).with_name(words[0]))
        return subprocess.run([program, *words[1:]], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    serve, simulate, investigate, create, create_reader, investigate_again = LINES
    assert serve == f"hypocenter serve --data-dir {FOLDER}"
    assert "fault began" in run(simulate)
    assert "cause        orders-db" in run(investigate)
    run(create)
    (tmp_path / "sre.token").write_text(run(create_reader), encoding="utf-8")
    assert "cause        orders-db" in run(investigate_again)
