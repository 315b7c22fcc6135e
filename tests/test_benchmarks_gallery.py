"""The gallery of misses: every case ranked wrong is there with its report, everything in it escaped, nothing else."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
HOSTILE = "<script>alert(1)</script>&amp;"


@pytest.fixture
def gallery(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gallery

    return gallery


def write_case(folder, name, label):
    """Write a case in which db slows down tenfold at noon, labelled as is said."""
    folder.mkdir(parents=True)
    times = pd.date_range("2026-03-01T11:30", periods=40, freq="min", tz="UTC", name="time")
    slow = np.where(np.arange(40) >= 30, 1.0, 0.1)
    columns = {"db|latency_p95_s": slow, "web|latency_p95_s": 0.1 + 0.001 * np.arange(40) % 3}
    pd.DataFrame(columns, index=times).to_parquet(folder / "metrics.parquet")
    case = {"case_id": name, "started_at": "2026-03-01T12:00:00+00:00", "dependencies": [["web", "db"]]}
    (folder / "case.json").write_text(json.dumps(case))
    (folder / "truth.json").write_text(json.dumps({"root_component": label, "fault_type": label}))


@pytest.fixture
def data(tmp_path):
    """Two cases alike: one with its label, one that is said to have begun somewhere else."""
    write_case(tmp_path / "data" / "shop" / "right", "right", "db")
    write_case(tmp_path / "data" / "shop" / "wrong", HOSTILE, HOSTILE)
    return tmp_path / "data"


def test_a_case_ranked_wrong_is_listed_and_shown(gallery, data, tmp_path):
    (miss,), cases = gallery.gallery(data, tmp_path / "out")
    assert cases == 2
    assert (miss.case_id, miss.roots, miss.rank) == (HOSTILE, (HOSTILE,), None)
    page = (tmp_path / "out" / "index.html").read_text()
    (link,) = re.findall(r'<a href="([^"]+)">', page)
    assert "<!doctype html>" in (tmp_path / "out" / link).read_text().lower()
    assert sorted(path.suffix for path in (tmp_path / "out").rglob("*.*")) == [".html", ".html"]
    assert ": 1 of 2 ranked wrong</h2>" in page
    assert miss.first[0][0] in page
    assert "not listed" in page


def test_nothing_of_a_case_is_markup_or_a_path(gallery, data, tmp_path):
    gallery.gallery(data, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;") == 3
    assert all(path.is_relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.html"))


def test_without_a_miss_the_page_says_so(gallery, data, tmp_path):
    shutil.rmtree(data / "shop" / "wrong")
    misses, cases = gallery.gallery(data, tmp_path / "out")
    assert (misses, cases) == ([], 1)
    assert ": 0 of 1 ranked wrong</h2>" in (tmp_path / "out" / "index.html").read_text()
