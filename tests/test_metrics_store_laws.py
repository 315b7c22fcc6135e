"""Whatever is written, dropped, sorted or opened again, the file answers as the naive store in memory does."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.batches import STALE_BITS, Batch, Samples
from hypocenter.readers.selectors import Selector
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.matching import matching
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.metrics import StoredSeries
from hypocenter.stores.newest import Newest, Span
from hypocenter.stores.retention import MetricsLimits

# Under `make soak` each property is tried on this many times as many examples.
MANY = 25 if settings.get_current_profile_name() == "soak" else 1
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
HOUR = 3_600_000
STALE = float(np.array([STALE_BITS]).view(np.float64)[0])
LIMITS = MetricsLimits(retention_days=2)
ODD = (("__name__", "up"), ("job", "nul\0nul \N{PARTY POPPER}\n'\""))
ALL = tuple((("__name__", name), ("job", job)) for name in ("up", "down") for job in "abc")

# Few of each, so that samples meet; exact in binary, so that sums are the same in any order.
VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.5, float("nan"), float("inf")])
TIMES = st.builds(lambda hours, ms: START_MS + hours * HOUR // 2 + ms, st.integers(-120, 2), st.integers(-1, 1))
ROWS = st.lists(st.tuples(st.integers(0, len(ALL) - 1), TIMES, VALUES), max_size=8)
BATCHES = st.tuples(ROWS, st.just([]) | ROWS, st.sampled_from([b"", b"one", b"two"]), st.booleans())
STEPS = st.one_of(
    st.lists(BATCHES, min_size=1, max_size=3).map(lambda batches: ("append", batches)),
    st.sampled_from(["tick", "reopen"]).map(lambda what: (what, None)),
    st.integers(1, 40).map(lambda hours: ("wait", hours)),
)


class Twin(MemoryMetrics):
    """The naive store, which does not know after it is opened again what is newest where nothing came for an hour."""

    def reopen(self):
        last = max((at for rows in self._samples.values() for at in rows), default=0)
        kept = {series: max(rows) for series, rows in self._samples.items() if max(rows) > last - HOUR}
        self._newest = {series: (at, self._samples[series][at]) for series, at in kept.items()}


def batch_of(store, told, shift):
    rows, added, receipt, ends = told
    columns = []
    for part in (rows, added):
        labels = [ALL[at] for at, _, _ in part]
        values = np.array([value for _, _, value in part], np.float64)
        if ends and len(values) and part is rows:
            values.view(np.int64)[0] = STALE_BITS
        times = np.array([at + shift for _, at, _ in part], np.int64)
        columns.append(Samples(store.number(labels), times, values))
    return Batch(*columns, receipt=receipt)


def shown(store):
    """What a store answers, by labels: numbers are each store's own."""
    found = store.series([Selector("", 'job=~".+"')], 0, START_MS * 2)
    names = {one.number: one.labels for one in found}
    answer = {}
    for first in (0, START_MS - 30 * HOUR, START_MS):
        for one in store.read(list(names), first, START_MS * 2):
            # One zero and one NaN are like another.
            bits = np.where(one.values == 0, 0, one.values.view(np.int64))
            bits[np.isnan(one.values) & (bits != STALE_BITS)] = -1
            answer[first, names[one.series]] = list(zip(one.at_ms.tolist(), bits.tolist(), strict=True))
    return answer, {(one.labels, one.component) for one in found}


def results(taken, names):
    return [(one.written, one.refused, [(names[e.series], e.at_ms, e.reason) for e in one.examples]) for one in taken]


def names_of(store):
    return dict(zip(store.number(ALL).tolist(), ALL, strict=True))


@settings(max_examples=25 * MANY)
@given(st.lists(STEPS, max_size=12))
def test_a_file_answers_as_memory_does_whatever_happened(tmp_path_factory, steps):
    folder, now = tmp_path_factory.mktemp("metrics"), [START]
    twin, store = Twin(lambda: now[0], LIMITS), DuckDbMetrics(folder, lambda: now[0], LIMITS)
    shift = 0
    try:
        for what, told in steps:
            if what == "append":
                sent = [[batch_of(one, batch, shift) for batch in told] for one in (twin, store)]
                ours, theirs = (one.append(batches) for one, batches in zip((twin, store), sent, strict=True))
                assert results(theirs, names_of(store)) == results(ours, names_of(twin))
            elif what == "wait":
                now[0], shift = now[0] + timedelta(hours=told), shift + told * HOUR
            elif what == "tick":
                twin.tick()
                store.tick()
            else:
                store.close()
                store = DuckDbMetrics(folder, lambda: now[0], LIMITS)
                twin.reopen()
            assert shown(store) == shown(twin)
    finally:
        store.close()


def naive_judgement(batches, span):
    """Say of each sample, one after the other, whether it is taken: 0, already there: 1, or refused: the reason."""
    newest, answers = {}, []
    for batch in batches:
        before, first, codes = dict(newest), {}, []
        for series, at, value in batch:
            there = before[series][1] if before.get(series, (None,))[0] == at else first.get((series, at))
            code = 2 if at < span.first_ms else 3 if at > span.last_ms else 0
            if code == 0 and there is not None:
                code = 1 if there == value else 4
            if code == 0:
                first[series, at] = value
                newest[series] = max(newest.get(series, (at, value)), (at, value), key=lambda one: one[0])
            codes.append(code)
        answers.append(codes)
    return answers


@settings(max_examples=200 * MANY)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(1, 2)), max_size=20), max_size=4))
def test_what_is_taken_is_what_a_loop_over_all_samples_takes(batches):
    newest, span = Newest(), Span(2, 10)
    found = []
    for batch in batches:
        found.append(newest.judge(rows_of(batch), span).tolist())
    assert found == naive_judgement(batches, span)


JUDGED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 2)), max_size=9)


def rows_of(batch):
    columns = np.array(batch, np.int64).reshape(-1, 3).T
    return Samples(columns[0].copy(), columns[1].copy(), columns[2].astype(np.float64))


@given(st.lists(st.tuples(JUDGED, st.booleans()), max_size=5))
def test_what_was_taken_back_was_never_there(batches):
    newest, spared = Newest(), Newest()
    for batch, is_kept in batches:
        judged = newest.judge(rows_of(batch), Span(0, 9)).tolist()
        if is_kept:
            assert judged == spared.judge(rows_of(batch), Span(0, 9)).tolist()
            newest.keep()
        else:
            newest.take_back()


LABELS = st.dictionaries(st.sampled_from(["__name__", "job", "pod"]), st.text('ab.\n\\"{', min_size=1, max_size=3))
MATCHERS = st.tuples(
    st.sampled_from(["__name__", "job", "pod", "none"]),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.text('ab.\n\\"{', max_size=3),
)


def naive_match(labels, label, operator, value):
    there = labels.get(label, "")
    same = re.fullmatch(value, there, re.DOTALL) is not None if "~" in operator else there == value
    return same != operator.startswith("!")


@given(st.lists(LABELS, max_size=6), st.lists(MATCHERS, max_size=3))
def test_selectors_find_what_a_look_at_every_series_finds(kept, matchers):
    series = [StoredSeries(at, tuple(sorted(labels.items())), "") for at, labels in enumerate(kept)]
    # Text as a pattern: what is special is escaped, but for the dot.
    told = [(a, b, re.sub(r"[\\{]", r"\\\g<0>", c) if "~" in b else c) for a, b, c in matchers]
    quoted = [(a, b, c.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for a, b, c in told]
    selector = Selector("", ",".join(f'{label}{operator}"{value}"' for label, operator, value in quoted))
    found = [one.number for one in matching(series, selector)]
    assert found == [at for at, labels in enumerate(kept) if all(naive_match(labels, *one) for one in told)]


def test_a_file_that_was_closed_answers_no_more_and_opens_again(tmp_path):
    with closing(DuckDbMetrics(tmp_path, lambda: START, LIMITS)) as store:
        (a,) = store.number([ODD]).tolist()
        store.append([Batch(Samples(np.array([a]), np.array([START_MS]), np.array([STALE])))])
    with closing(DuckDbMetrics(tmp_path, lambda: START, LIMITS)) as store:
        assert store.number([ODD]).tolist() == [a]
        (found,) = store.read([a], START_MS, START_MS)
        assert found.values.view(np.int64).tolist() == [STALE_BITS]
        assert store.number(ALL[1:2]).tolist() == [a + 1]
