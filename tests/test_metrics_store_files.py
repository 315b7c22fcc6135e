"""The file of metrics among processes and on a disk: killed, shared, full, damaged, read while it is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

import duckdb
import metrics_writer
import numpy as np
import pytest
from hypothesis import settings

from hypocenter.batches import Batch, Samples
from hypocenter.errors import InputError, SourceError
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.duckdb_days import INCREMENTS, Part, fill_sorted
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.duckdb_series import KeptSeries
from hypocenter.stores.metrics import FullError
from hypocenter.stores.retention import MetricsLimits, limits_of_settings
from hypocenter.stores.series_table import SeriesTable

KILLS = 100 if settings.get_current_profile_name() == "soak" else 5
NOW = metrics_writer.NOW
NOW_MS = int(NOW.timestamp() * 1000)
DAY_MS = 86_400_000


def opened(folder, now=NOW, **limits):
    return closing(DuckDbMetrics(folder, lambda: now, MetricsLimits(**limits)))


def series_of(store, count=1000):
    return store.number([(("__name__", "value"), ("at", str(at))) for at in range(count)])


def written(store, at_ms, series, seed=0):
    values = np.random.default_rng(seed).random(len(series))
    return store.append([Batch(Samples(series, np.full(len(series), at_ms), values))])


def fill(store, series, times, durable=None):
    for at in times:
        taken = written(store, at, series, seed=at)
        if durable is not None:
            durable.append(taken[0].written)


def rows_in(store, series, start=0, end=NOW_MS + DAY_MS):
    return sum(len(one.at_ms) for one in store.read(series.tolist(), start, end))


def wait_until(event):
    assert event.wait(60), "it did not come to that within a minute"


# One process owns it.


def test_a_second_process_is_told_who_holds_the_folder(tmp_path):
    with opened(tmp_path), pytest.raises(InputError, match=rf"process {os.getpid()} holds it.*name another folder"):
        DuckDbMetrics(tmp_path, lambda: NOW)
    script = "import sys; from pathlib import Path; from hypocenter.stores.duckdb_metrics import DuckDbMetrics\n"
    script += "DuckDbMetrics(Path(sys.argv[1]), None)"
    with opened(tmp_path):
        other = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    assert "InputError" in other.stderr
    assert f"process {os.getpid()} holds it" in other.stderr
    with opened(tmp_path) as store:
        assert store.usage().series == 0


def test_a_folder_that_cannot_be_one_is_refused(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="name another"):
        DuckDbMetrics(tmp_path / "file", lambda: NOW)
    (tmp_path / "folder" / "metrics.lock").mkdir(parents=True)
    with pytest.raises(InputError, match="name another"):
        DuckDbMetrics(tmp_path / "folder", lambda: NOW)


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "metrics.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(InputError, match="name another folder"):
        DuckDbMetrics(tmp_path, lambda: NOW)
    assert (tmp_path / "metrics.duckdb").read_bytes() == b"not a database" * 1000


def test_what_is_closed_says_so(tmp_path):
    with opened(tmp_path) as store:
        series = series_of(store)
    with pytest.raises(SourceError):
        written(store, NOW_MS, series)
    with pytest.raises(SourceError):
        list(store.read([0], 0, NOW_MS))
    with pytest.raises(SourceError):
        store.usage()


# Read while it is written, sorted and dropped.


def test_readers_see_whole_batches_while_others_write_and_days_are_sorted_and_dropped(tmp_path):
    now, done, seen, failures = [NOW], Event(), Event(), []

    def reading(store, series):
        try:
            while not done.is_set():
                counts = {len(one.at_ms) for one in store.read(series.tolist(), NOW_MS - DAY_MS, NOW_MS * 2)}
                assert len(counts) <= 1, counts
                store.series([parse_selector('{at=~"1.*"}')], 0, NOW_MS * 2)
                seen.set()
        except Exception as error:  # noqa: BLE001 - the test tells it
            failures.append(error)
            seen.set()

    with closing(DuckDbMetrics(tmp_path, lambda: now[0], MetricsLimits(retention_days=4))) as store:
        series = series_of(store)
        for day in range(5):
            written(store, NOW_MS - day * DAY_MS // 2 - DAY_MS, series)
        thread = Thread(target=reading, args=(store, series))
        thread.start()
        for at in range(30):
            written(store, NOW_MS + at, series)
            now[0] += timedelta(hours=2)
            store.tick()
        seen.clear()
        wait_until(seen)
        done.set()
        thread.join()
        assert failures == []
        assert rows_in(store, series, NOW_MS) == 30 * len(series)


# Room.


def test_space_of_dropped_days_comes_back(tmp_path):
    now = [NOW]
    with closing(DuckDbMetrics(tmp_path, lambda: now[0], MetricsLimits(retention_days=6))) as store:
        series = series_of(store, 5000)
        for day in range(5):
            for at in range(40):
                written(store, NOW_MS - day * DAY_MS - at, series, seed=day * 40 + at)
        before = store.usage().bytes
        now[0] += timedelta(days=5)
        store.tick()
        after = store.usage().bytes
        assert rows_in(store, series) == 2 * 40 * len(series)
        assert after < 0.6 * before
        now[0] += timedelta(days=5)
        store.tick()
        assert store.usage().bytes < 0.2 * before


def test_at_the_limit_the_oldest_days_go_and_then_it_is_full_until_there_is_room(tmp_path):
    now = [NOW]
    with closing(DuckDbMetrics(tmp_path, lambda: now[0], MetricsLimits(disk_bytes=8 << 20))) as store:
        series = series_of(store, 5000)
        with pytest.raises(FullError, match="HYPOCENTER_DISK_LIMIT_BYTES"):
            fill(store, series, [NOW_MS - (at % 4) * DAY_MS - at for at in range(1000)])
        assert "HYPOCENTER_DISK_LIMIT_BYTES" in store.usage().full
        durable = []
        while store.tick() or not store.usage().full:
            with pytest.raises(FullError):
                fill(store, series, range(NOW_MS + len(durable), NOW_MS + len(durable) + 1000), durable)
        # The last two days are never dropped for room.
        assert rows_in(store, series, NOW_MS + 1 - DAY_MS) >= sum(durable) > 0
        assert store.usage().oldest_ms // DAY_MS == NOW_MS // DAY_MS - 1
        now[0] += timedelta(days=17)
        store.tick()
        assert written(store, NOW_MS + 17 * DAY_MS, series)[0].written == len(series)


def test_what_a_failed_sorting_left_is_not_counted_beside_the_next(tmp_path):
    now, day = [NOW], NOW_MS // DAY_MS
    with closing(DuckDbMetrics(tmp_path, lambda: now[0], MetricsLimits())) as store:
        series = series_of(store, 10)
        store.append([Batch(increments=Samples(series, np.full(10, NOW_MS), np.ones(10)))])
        # As far as sorting comes where memory runs out in the midst of it.
        part = Part(INCREMENTS, day, store._appender.close_day(INCREMENTS, day))
        with store._file.cursor() as cursor:
            assert len(list(fill_sorted(cursor, [part], replace(part, is_sorted=True)))) == 24
        now[0] += timedelta(days=1, hours=2)
        store.tick()
        assert [float(one.values[-1]) for one in store.read(series.tolist(), 0, NOW_MS)] == [1.0] * 10


def test_labels_of_series_that_went_are_kept_where_they_come_again_after_the_file_was_opened_anew():
    gone, again = ((("__name__", name), ("zone", "a")) for name in ("gone", "again"))
    last = (("__name__", "last"),)
    with duckdb.connect() as connection:
        table = SeriesTable(10)
        kept = KeptSeries(table)
        kept.load(connection)
        kept.write(connection, table.number([gone, last]))
        kept.keep()
        kept.drop(connection, table.number([gone]))
        kept.dropped(table.number([gone]))
        kept.load(connection)
        kept.write(connection, table.number([again]))
        read = SeriesTable(10)
        KeptSeries(read).load(connection)
        assert {read[number].labels for number in read.named("")} == {again, last}


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", folder]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_loses_nothing_and_goes_on_when_there_is_room(small_disk):
    durable = []
    with opened(small_disk) as store:
        series = series_of(store, 5000)
        with pytest.raises(FullError, match="disk"):
            fill(store, series, range(NOW_MS - 2000, NOW_MS), durable)
        rows = sum(durable)
        assert "disk" in store.usage().full
        assert rows_in(store, series) == rows > 0
        store.tick()
    with opened(small_disk) as store:
        assert rows_in(store, series_of(store, 5000)) == rows


def test_a_disk_that_others_fill_is_told_loses_nothing_and_goes_on_when_there_is_room(small_disk):
    with opened(small_disk) as store:
        series = series_of(store, 5000)
        written(store, NOW_MS, series)
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="space"):
            ballast.write_bytes(bytes(32 << 20))
        with pytest.raises(FullError):
            written(store, NOW_MS + 1, series)
        assert rows_in(store, series) == len(series)
        ballast.unlink()
        assert written(store, NOW_MS + 2, series)[0].written == len(series)
        assert rows_in(store, series) == 2 * len(series)


def test_a_disk_that_fills_in_the_midst_of_writing_loses_nothing_and_goes_on_when_there_is_room(small_disk):
    with opened(small_disk) as store:
        series = series_of(store, 5000)
        written(store, NOW_MS, series)
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - (2 << 20)))
        many = np.tile(series, 50)
        rows = Samples(many, NOW_MS - 1 - np.arange(len(many)), np.random.default_rng(1).random(len(many)))
        gained = Samples(series[:1], np.array([NOW_MS]), np.ones(1))
        with pytest.raises(FullError):
            store.append([Batch(rows, gained, receipt=b"large")])
        ballast.unlink()
        assert rows_in(store, series) == len(series)
        for _ in range(2):
            assert store.append([Batch(rows, gained, receipt=b"large")])[0].refused == 0
        assert rows_in(store, series) == len(series) + len(rows)
    with opened(small_disk) as store:
        assert rows_in(store, series) == len(series) + len(rows)


def test_a_disk_that_is_full_when_the_log_is_moved_loses_nothing_and_goes_on_when_there_is_room(small_disk):
    with opened(small_disk) as store:
        series = series_of(store, 5000)
        written(store, NOW_MS, series)
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - (2 << 20)))
        many = np.tile(series, 12)
        rows = Samples(many, NOW_MS - 1 - np.arange(len(many)), np.random.default_rng(1).random(len(many)))
        gained = Samples(series[:1], np.array([NOW_MS]), np.ones(1))
        large = Batch(rows, gained, receipt=b"large")
        assert store.append([large])[0].refused == 0
        with pytest.raises(FullError):
            store.tick()
        with pytest.raises(FullError):
            written(store, NOW_MS + 1, series)
        ballast.unlink()
        store.tick()
        assert store.append([large])[0].refused == 0
        assert rows_in(store, series) == len(series) + len(rows)
        written(store, NOW_MS + 1, series)
        assert rows_in(store, series) == 2 * len(series) + len(rows)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RETENTION_DAYS", "0"), ("RETENTION_DAYS", "nan"), ("DISK_LIMIT_BYTES", "10 GB"), ("MAX_SERIES", "-1")],
)
def test_a_limit_that_cannot_be_is_refused(variable, value):
    with pytest.raises(InputError, match=f"HYPOCENTER_{variable}"):
        limits_of_settings({f"HYPOCENTER_{variable}": value})
