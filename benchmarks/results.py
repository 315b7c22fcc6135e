"""A benchmark's result: its rows, what they were measured with, as a table on the terminal and as a file."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import render

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "pandas", "statsmodels", "hypocenter")

Cell = str | int | float | None
Row = dict[str, Cell]


def document(name: str, rows: list[Row], *, note: str = "") -> dict[str, Any]:
    """Return a result as it is kept: `rows` are flat and have equal keys; the first key groups them into tables."""
    return {
        "name": name,
        "date": datetime.now(UTC).date().isoformat(),
        "note": note,
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gb": _memory_gb()},
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "rows": [{name: _rounded(cell) for name, cell in row.items()} for row in rows],
    }


def keep(name: str, rows: list[Row], note: str = "") -> None:
    """Print the rows, write `results/<name>.json` and draw docs/benchmarks.md anew."""
    print(render.as_text(write(name, rows, note=note)))


def write(name: str, rows: list[Row], note: str = "") -> dict[str, Any]:
    """Write `results/<name>.json`, draw docs/benchmarks.md anew and return the result."""
    result = document(name, rows, note=note)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    render.main([])
    return result


def data_folder(argument: Path | None) -> Path:
    """Return the folder of labelled data: the argument, or what HYPOCENTER_DATA names; leave with a word if neither."""
    from hypocenter import settings

    named = argument or settings.read("data")
    if not named:
        raise SystemExit("name a folder of labelled data: as an argument, or in HYPOCENTER_DATA")
    return Path(str(named))


def _rounded(cell: Cell) -> Cell:
    return float(f"{cell:.6g}") if isinstance(cell, float) else cell


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
