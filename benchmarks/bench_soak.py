"""Run tests for long, with the full counts of the soak profile, and keep what came of each file."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import results

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "soak"
NOTE = (
    "`make soak` runs tests that `make test` runs with small counts, too: laws and parsers with 2,500 examples a test "
    "or more, a hundred times `kill -9` of a server and of a store under load, ten minutes of load on one process. "
    "Each row is the last run of one file; `saw` is what its tests tell of themselves."
)

_STATISTICS = "hypothesis-statistics"


def main(files: Sequence[str]) -> int:
    """Run each file and keep its row beside those of other files; 1 when a test failed."""
    kept = {row["file"]: row for row in _kept()}
    failed = False
    for file in files:
        row = _run(file)
        failed |= bool(row["failed"])
        kept[row["file"]] = row
        results.keep(NAME, [kept[name] for name in sorted(kept, key=str)], note=NOTE)
    return int(failed)


def _kept() -> list[results.Row]:
    path = results.RESULTS / f"{NAME}.json"
    rows: list[results.Row] = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return rows


def _run(file: str) -> results.Row:
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # Of the two families of reports the older alone holds what a test tells of itself.
        how = ["-q", "-p", "no:cacheprovider", "--hypothesis-profile=soak", "-o", "junit_family=xunit1"]
        subprocess.run([sys.executable, "-m", "pytest", *how, f"--junitxml={report}", file], check=False)
        suite = ElementTree.parse(report).getroot()[0]
    return row_of(file, suite)


def row_of(file: str, suite: ElementTree.Element) -> results.Row:
    """Return what one file's tests came to, from pytest's report in JUnit's XML."""
    told = [(each.get("name", ""), each.get("value")) for each in suite.iter("property")]
    said = [f"{name} {value}" for name, value in told if not name.startswith(_STATISTICS)]
    wrong = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return {
        "run": "with full counts",
        "file": file,
        "tests": int(suite.get("tests", 0)),
        "failed": wrong,
        "skipped": int(suite.get("skipped", 0)),
        "minutes": float(suite.get("time", 0)) / 60,
        "saw": "; ".join(said) or None,
        "date": datetime.now(UTC).date().isoformat(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
