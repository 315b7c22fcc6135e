"""Benchmarks: kept results are whole and anonymous, and the page says what they say."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
KEPT = sorted((FOLDER / "results").glob("*.json"))
SCRIPTS = sorted(FOLDER.glob("bench_*.py"))
each_result = pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])


@pytest.fixture
def benchmarks(monkeypatch):
    """The modules beside the scripts, imported as the scripts import them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import render
    import results

    return render, results


def strings(value):
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def assert_whole(result):
    date.fromisoformat(result["date"])
    assert set(result) == {"name", "date", "note", "machine", "versions", "rows"}
    assert set(result["machine"]) == {"cpu", "cores", "memory_gb"}
    assert set(result["versions"]) == {"python", "numpy", "pandas", "statsmodels", "hypocenter"}
    assert result["rows"]
    assert len({tuple(row) for row in result["rows"]}) == 1
    assert all(isinstance(cell, str | int | float | None) for row in result["rows"] for cell in row.values())


def assert_anonymous(result):
    text = "\n".join(strings(result))
    assert not re.search(r"(^|\s)(/|~/|[A-Za-z]:\\)\w", text), "a path"
    # A short name such as "a" would be found inside words.
    host = platform.node()
    assert len(host) < 4 or host not in text


@each_result
def test_kept_results_are_whole_and_anonymous(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["name"] == path.stem
    assert_whole(result)
    assert_anonymous(result)


@each_result
def test_every_kept_result_has_its_script(path):
    assert FOLDER / f"bench_{path.stem}.py" in SCRIPTS


def test_the_page_says_what_the_results_say():
    checked = subprocess.run(
        [sys.executable, FOLDER / "render.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_every_benchmark_has_a_title_on_the_page(benchmarks, script):
    render, _ = benchmarks
    assert script.stem.removeprefix("bench_") in render.TITLES


def test_a_new_result_is_whole_and_anonymous(benchmarks):
    _, results = benchmarks
    result = results.document("made", [{"group": "a", "ms": 1.5}], note="Made up.")
    assert_whole(json.loads(json.dumps(result)))
    assert_anonymous(result)


@pytest.mark.parametrize("text", ["read from /data/cases", "/etc", "~/cases", "C:\\data"])
def test_a_path_would_be_noticed(text):
    with pytest.raises(AssertionError, match="a path"):
        assert_anonymous({"note": text})


def test_rows_become_a_table_per_group(benchmarks):
    render, results = benchmarks
    rows = [
        {"set": "one", "method": "a|b", "score": 0.5, "ms": 1234.5},
        {"set": "two", "method": "c", "score": None, "ms": 12.34},
        {"set": "two", "method": "e", "score": 0.25, "ms": None},
        {"set": "one", "method": "d", "score": 1.0, "ms": 3},
    ]
    text = render.section(results.document("made", rows, note="Made up."))
    assert "## made\n\nMade up.\n\n`make bench-made`, " in text
    one = "**one**\n\n| method | score | ms |\n| --- | ---: | ---: |\n| a\\|b | 0.500 | 1234 |\n| d | 1.000 | 3 |"
    assert one in text
    assert "**two**\n\n| method | score | ms |\n| --- | ---: | ---: |\n| c | - | 12.3 |\n| e | 0.250 | - |" in text


def test_a_column_without_any_cell_is_left_out_of_its_table(benchmarks):
    render, results = benchmarks
    first = {"set": "one", "method": "a", "score": None, "ms": 2, "n": None}
    second = {"set": "two", "method": "b", "score": 0.5, "ms": 3, "n": None}
    text = render.section(results.document("made", [first, second]))
    assert "**one**\n\n| method | ms |\n| --- | ---: |\n| a | 2 |" in text
    assert "**two**\n\n| method | score | ms |\n| --- | ---: | ---: |\n| b | 0.500 | 3 |" in text


def test_the_page_keeps_the_order_of_titles(benchmarks):
    render, results = benchmarks
    made = [results.document(name, [{"group": "g", "n": 1}]) for name in ("zebra", "simulator", "rca")]
    heads = re.findall(r"^## (.*)$", render.page(made), re.MULTILINE)
    assert heads == [render.TITLES["rca"], render.TITLES["simulator"], "zebra"]


@pytest.mark.parametrize("script", ["bench_rca.py", "bench_learned.py"])
def test_without_data_a_benchmark_says_how_to_name_it(script):
    environ = {name: value for name, value in os.environ.items() if name != "HYPOCENTER_DATA"}
    run = subprocess.run(
        [sys.executable, FOLDER / script], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr == "name a folder of labelled data: as an argument, or in HYPOCENTER_DATA\n"
