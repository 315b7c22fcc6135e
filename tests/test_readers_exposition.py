"""Saved scrapes and saved answers of the query API to raw tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from hypocenter.errors import InputError, LimitError
from hypocenter.readers.exposition import decode_query, decode_text, read_exposition
from hypocenter.readers.limits import Limits
from hypocenter_graph.discover.service_graph import discover_service_graph

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON = np.datetime64("2026-03-01T12:00:00", "ns")
NAME = "traces_service_graph_request_total"
SCRAPE = f"""\
# HELP {NAME} Total count of requests between two nodes
# TYPE {NAME} counter
{NAME}{{client="web",server="cart",connection_type=""}} 7
{NAME}{{client="web", server="say \\"hi\\" \\\\ }}{{,", }} 1e3

up 1
"""


def test_a_scrape_is_one_row_at_the_time_it_was_taken() -> None:
    table = decode_text(SCRAPE, "scrape", AT, Limits())
    assert table.times.tolist() == [NOON.astype(int)]
    by_server = {labels.get("server", ""): value for labels, value in zip(table.labels, table.values[0], strict=True)}
    assert by_server == {"cart": 7.0, 'say "hi" \\ }{,': 1000.0, "": 1.0}


def test_a_scrape_shows_links_at_an_unknown_rate() -> None:
    found = discover_service_graph(decode_text(SCRAPE, "scrape", AT, Limits()), "scrape")
    assert [(claim.callee, claim.calls_per_s) for claim in found.dependencies] == [
        ("cart", None),
        ('say "hi" \\ }{,', None),
    ]


def test_times_are_in_milliseconds_or_as_openmetrics_has_them_in_seconds() -> None:
    text = "up 1 1772366400000"
    assert decode_text(text, "x", AT, Limits()).times[0] == NOON
    open_metrics = 'up 1 1772366400.000 # {trace_id="a"} 0.5\n# EOF\n'
    assert decode_text(open_metrics, "x", AT, Limits()).times[0] == NOON


def query(kind: str, *result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": list(result)}}


LABELS = {"__name__": NAME, "client": "web", "server": "cart"}


def test_instant_and_range_answers_are_tables(tmp_path: Path) -> None:
    instant = query("vector", {"metric": LABELS, "value": [1772366400.5, "7"]})
    table = decode_query(instant, "x", Limits())
    assert (table.times[0], table.values.tolist()) == (NOON + np.timedelta64(500, "ms"), [[7.0]])
    rows = [[1772366400 + 15 * row, str(15 * row)] for row in range(3)]
    path = tmp_path / "range.json"
    path.write_text(json.dumps(query("matrix", {"metric": LABELS, "values": rows})), encoding="utf-8")
    table = read_exposition(path, AT)
    assert table.values[:, 0].tolist() == [0, 15, 30]
    (claim,) = discover_service_graph(table, "x").dependencies
    assert claim.calls_per_s == 1.0


def test_series_with_moments_of_their_own_are_laid_on_a_grid() -> None:
    rows = [[[1772366400 + 15 * row + 0.1 * series, str(row)] for row in range(4)] for series in range(5)]
    result = [{"metric": {"job": str(series)}, "values": values} for series, values in enumerate(rows)]
    assert decode_query(query("matrix", *result), "x", Limits()).values.shape == (4, 5)


def test_empty_answers_are_empty_tables() -> None:
    assert decode_text("", "x", AT, Limits()).values.shape == (0, 0)
    assert decode_query(query("vector"), "x", Limits()).values.shape == (0, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("up", "line 1: 'up' is no sample"),
        ("# c\nup one", "line 2: .* must end in a number"),
        ("up{job=web} 1", "is no label"),
        ('up{job="web"', "is no sample"),
        ("up 1 9e99", "2262"),
        ("up 1 nan", "number"),
    ],
)
def test_a_line_that_is_no_sample_is_named(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode_text(text, "x", AT, Limits())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "JSON object"),
        ({"status": "error", "error": "bad query"}, "bad query"),
        (query("scalar", 1, "2"), "vector or matrix"),
        (query("vector", {"metric": {}, "value": 3}), "vector or matrix"),
    ],
)
def test_an_answer_that_is_no_samples_is_refused(value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode_query(value, "x", Limits())


def test_limits_hold(tmp_path: Path) -> None:
    with pytest.raises(LimitError):
        decode_text(SCRAPE, "x", AT, Limits(cells=2))
    path = tmp_path / "scrape.txt"
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="UTF-8"):
        read_exposition(path, AT)


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(["up", "{", "}", '"', "a", "=", ",", " ", "1", "\\", "#", "\n", "é", "NaN"]), max_size=25)
)
def test_any_text_is_read_or_refused(parts: list[str]) -> None:
    said = refusal(lambda: decode_text("".join(parts), "x", AT, Limits()))
    assert said is None or said.startswith("x: line ")
