"""Tables of metrics: what each shape means, and which lines are refused and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.tables import table_samples
from hypocenter.ingest.uploads import EXAMPLES, MOST_TEXT, Findings, Sample, batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Labels

NOON = 1772366400000
UP = (("__name__", "up"), ("component", "cart"))


class Numbers:
    """A SeriesIndex of so many series."""

    def __init__(self, most: int = 10**6) -> None:
        self._known: dict[object, int] = {}
        self._most = most

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        found = [self._known.setdefault(each, len(self._known)) for each in labels]
        if len(self._known) > self._most:
            raise LimitError("too many series")
        return np.array(found, np.int64)


def read(text: str) -> tuple[list[Sample], Findings]:
    findings = Findings()
    return list(
        table_samples(text.splitlines(keepends=True), findings),
    ), findings


@pytest.mark.parametrize(
    "text",
    [
        "time,metric,service,value\n2026-03-01T12:00:00Z,up,cart,1\n",
        "\ufefftimestamp\tname\tcomponent\tval\n1772366400\tup\tcart\t1.0\n",
        "\n\ntime;series;value\n2026-03-01 12:00:00;cart|up;1,0\n",
        'time,series,value\n1772366400000,"up{component=""cart""}",1\n',
        "time,cart|up\n2026-03-01T13:00:00+01:00,1\n",
        '{"metric": "up", "component": "cart", "t": 1772366400, "v": 1}',
        '{"labels": {"__name__": "up", "component": "cart"}, "time": "2026-03-01T12:00:00Z", "value": "1"}\n\n',
        '{"metric": {"__name__": "up", "component": "cart"}, "values": [1], "timestamps": [1772366400000]}\n',
    ],
)
def test_each_shape_says_the_same(text: str) -> None:
    samples, findings = read(text)
    assert samples == [Sample(UP, NOON, 1.0)]
    assert (findings.rows, findings.refused) == (1, 0)


def test_a_wide_row_has_a_sample_in_each_cell_that_holds_one() -> None:
    samples, _ = read('time,cart|up,"lat{job=""a""}"\n1772366400,1,\n1772366401,NaN,0.5\n')
    assert samples == [Sample(UP, NOON, 1.0), Sample((("__name__", "lat"), ("job", "a")), NOON + 1000, 0.5)]


def test_all_other_columns_of_a_long_table_are_labels() -> None:
    samples, _ = read("zone,time,value,metric,service,code\nb,1772366400,1,up,cart,\n,1772366400,2,up,cart,200\n")
    assert [sample.labels for sample in samples] == [(*UP, ("zone", "b")), (("__name__", "up"), ("code", "200"), UP[1])]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("yesterday,up,cart,1", "line 3: the time: 'yesterday' is no time"),
        ("1e999,up,cart,1", "line 3: the time: inf is no time"),
        ("1772366400,up,cart,many", "line 3: 'many' is no number"),
        ("1772366400,up,cart,inf", "line 3: 'inf' is infinite"),
        ("1772366400,up,cart,", "line 3: 'value' is empty"),
        ("1772366400,,cart,1", "line 3: no __name__"),
        ("1772366400,up,cart", "line 3: 3 cells, and the header has 4"),
        (f"1772366400,{'u' * 5000},cart,1", "line 3: a label of more than"),
    ],
)
def test_a_row_without_a_sample_is_refused_by_its_line_and_the_others_are_taken(row: str, reason: str) -> None:
    samples, findings = read(f"time,metric,service,value\n1772366400,up,cart,1\n{row}\n1772366401,up,cart,1\n")
    assert len(samples) == 2
    assert (findings.rows, findings.refused) == (3, 1)
    assert findings.examples[0].startswith(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        ('{"metric": "up"}', "the time"),
        ('{"metric": "up", "t": 1}', "no value"),
        ('{"metric": "up", "t": 1, "v": [1]}', "is no number"),
        ('{"metric": "up", "t": 1, "v": true}', "is no number"),
        ('{"metric": 7, "t": 1, "v": 1}', "must be text"),
        ('{"labels": [], "metric": {"a": "b"}, "t": 1, "v": 1}', "no __name__"),
        ('{"metric": "\\ud800", "t": 1, "v": 1}', "half a character"),
        ('{"metric": "up", "values": [1, 2], "timestamps": [1]}', "2 values and 1 times"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_a_line_of_json_without_a_sample_is_refused(line: str, reason: str) -> None:
    good = '{"metric": "up", "component": "cart", "t": 1772366400, "v": 1}'
    samples, findings = read(f"{good}\n{line}\n{good}\n")
    assert len(samples) == 2
    assert reason in findings.examples[0]


def test_examples_are_few_and_the_count_is_whole() -> None:
    _, findings = read("time,cart|up\n" + "x,1\n" * 50)
    assert (findings.refused, len(findings.examples)) == (50, EXAMPLES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", "no time column"),
        ("time\n1\n", "no series beside the time"),
        ("time,x,x\n1,2,3\n", "column 'x' is there 2 times"),
        ("time,{}\n1,2\n", "names no series"),
        ('time,up{a="b"c}\n1,2\n', "write labels as"),
        ("time," + ",".join(f"c|m{number}" for number in range(20_001)) + "\n", "the limit is 20,000"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(text)


def test_an_empty_text_has_no_samples() -> None:
    with pytest.raises(InputError, match="no time column"):
        read("\n \n")


def test_samples_come_in_batches_of_bounded_size_whose_series_are_numbered_once() -> None:
    samples = [Sample((("__name__", f"m{at % 3}"),), at, float(at)) for at in range(10)]
    found = list(batches(samples, Numbers(), 4))
    assert [len(batch) for batch, _ in found] == [4, 4, 2]
    assert found[0][0].samples.series.tolist() == [0, 1, 2, 0]
    assert found[1][1] == {1: (("__name__", "m1"),), 2: (("__name__", "m2"),), 0: (("__name__", "m0"),)}
    assert [value for batch, _ in found for value in batch.samples.values.tolist()] == list(range(10))


def test_batches_are_smaller_where_labels_are_long() -> None:
    long = MOST_TEXT // 4
    samples = [Sample((("__name__", f"{at}" + "m" * long),), at, 1.0) for at in range(8)]
    assert [len(batch) for batch, _ in batches(samples, Numbers())] == [4, 4]
    assert [len(batch) for batch, _ in batches(samples[:1] * 8, Numbers())] == [8]


def test_a_table_with_more_labels_than_are_held_is_read_whole() -> None:
    zones = [f"{at}".rjust(4000, "x") for at in range(MOST_TEXT // 4000 + 200)]
    rows = [f"{zone},{NOON},{at % 7},m\n" for at, zone in enumerate((*zones, *zones[:9]))]
    samples, findings = read("zone,time,value,metric\n" + "".join(rows))
    assert [dict(sample.labels)["zone"] for sample in samples] == [*zones, *zones[:9]]
    assert findings.refused == 0


def test_too_many_series_end_it_after_what_went_before() -> None:
    samples = [Sample((("__name__", f"m{at}"),), at, 1.0) for at in range(10)]
    walk = batches(samples, Numbers(most=5), 4)
    assert len(next(walk)[0]) == 4
    with pytest.raises(LimitError, match="too many series"):
        next(walk)
