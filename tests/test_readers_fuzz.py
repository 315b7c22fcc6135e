"""Whatever bytes a file holds, a reader yields cases or raises one line of an error of its own."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError
from hypocenter.readers import read_cases
from hypocenter.readers.topology import read_topology

if TYPE_CHECKING:
    from pathlib import Path

TIMES = pd.date_range("2026-01-31T12:00:00Z", periods=6, freq="60s", name="time")
WIDE = pd.DataFrame({"web|cpu": range(6), 'up{job="a"}': 1.5, "b|p50:web": ["1", "x"] * 3}, index=TIMES)
LONG = WIDE.astype("string").reset_index().melt(id_vars="time", var_name="series").assign(code=200)
INCIDENT = {
    "case_id": "i",
    "inject_time": "2026-01-31T12:00:00Z",
    "nodes": ["a"],
    "edges": [["a", "b"]],
    "hosted_on": [["a", "n"]],
    "events": [{"ts": 1769860800, "entity": "a", "kind": "metric", "name": "cpu", "peer": None}],
}
STATED = {
    "case_id": "c",
    "started_at": "2026-01-31T12:00:00Z",
    "dependencies": [["a", "b", "CALLS"]],
    "components": [{"name": "a", "type": "host"}],
    "extras": {
        "alert": {"service": "a", "fired_at": "2026-01-31T12:00:00Z"},
        "deploys": [{"timestamp": 1769860800, "service": "a"}],
        "target": {"node": "a", "metric": "cpu", "agg": "Average"},
        "normal": "n.parquet",
        "day": "2026-01-31",
    },
}


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


WHOLE = {
    "wide.csv": WIDE.to_csv().encode(),
    "long.csv": LONG.to_csv(index=False).encode(),
    "long.csv.gz": gzip.compress(LONG.to_csv(index=False).encode()),
    "wide.parquet": parquet(WIDE),
    "long.parquet": parquet(LONG),
    "incidents.jsonl": b"\n".join([json.dumps(INCIDENT).encode()] * 3),
    "incidents.jsonl.gz": gzip.compress(json.dumps(INCIDENT).encode()),
    "case.json": json.dumps(STATED).encode(),
    "topology.csv": b"caller,callee,type\na,b,CALLS\nb,a,\n",
    "topology.json": b'[["a","b"],["b","c","RUNS_ON"]]',
}

_PIECES = st.binary(max_size=4) | st.sampled_from(
    [b"null", b"-1", b"1e999", b'"', b"\n", b",", b"{", b"[]", b"NaN", b"\x00", b"inf", b"9999-12-31", b"0" * 40, b"|"]
)
_CUTS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), _PIECES), max_size=6)


def bent(whole: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    for place, length, piece in cuts:
        at = int(place * len(whole))
        whole = whole[:at] + piece + whole[at + length :]
    return whole


def said_of(path: Path) -> str:
    """Read `path` and return the error's text, "" when there is none."""
    try:
        if path.name.startswith("topology"):
            read_topology(path)
        else:
            for case in read_cases(path.parent if path.name == "case.json" else path):
                check_metrics(case.metrics)
    except HypocenterError as error:
        return str(error)
    return ""


def check_metrics(table: object) -> None:
    times, values = getattr(table, "times", np.empty(0)), getattr(table, "values", np.empty(0))
    assert not np.isinf(values).any()
    assert len(times) < 2 or (np.diff(times) > np.timedelta64(0)).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "case"
    path.mkdir()
    (path / "metrics.csv").write_bytes(WHOLE["wide.csv"])
    return path


@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_file_is_read(folder: Path, name: str) -> None:
    (folder / name).write_bytes(WHOLE[name])
    assert said_of(folder / name) == ""


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=_CUTS)
def test_bent_bytes_bring_no_other_error(folder: Path, name: str, cuts: list[tuple[float, int, bytes]]) -> None:
    (folder / name).write_bytes(bent(WHOLE[name], cuts))
    assert "\n" not in said_of(folder / name)


_CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2026-01-31")
_FRAMES = st.dictionaries(
    st.sampled_from(["time", "series", "metric", "value", "component", "a|b", "service"]),
    st.lists(_CELLS, min_size=3, max_size=3),
    max_size=5,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=_FRAMES)
def test_any_cells_bring_no_other_error(folder: Path, columns: dict[str, list[object]]) -> None:
    path = folder / "cells.csv"
    pd.DataFrame(columns, dtype=object).to_csv(path, index=False, encoding="utf-8", errors="replace")
    assert "\n" not in said_of(path)
