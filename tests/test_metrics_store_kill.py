"""The file of metrics when its process is killed at any moment: what was acknowledged is there, and once."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import metrics_writer
from hypothesis import settings

from hypocenter.stores.duckdb_metrics import DuckDbMetrics

KILLS = 100 if settings.get_current_profile_name() == "soak" else 5
ENDLESS_MS = 1 << 42


def until_killed(folder, first, acknowledged):
    """Have a process write from `first` on and kill it after so many acknowledgements; return the last one's number."""
    command = [sys.executable, str(Path(metrics_writer.__file__)), str(folder), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        for _ in range(acknowledged):
            assert child.stdout.readline(), child.stderr.read()
        child.kill()
        told = child.stdout.read()
    whole = [line for line in told.splitlines(keepends=True) if line.endswith("\n")]
    return first + acknowledged + len(whole)


def test_what_was_acknowledged_is_there_once_after_every_kill(tmp_path):
    chance, durable = random.Random(7), 0
    for _ in range(KILLS):
        durable = until_killed(tmp_path, durable, chance.randrange(1, 40))
        with closing(DuckDbMetrics(tmp_path, lambda: metrics_writer.NOW)) as store:
            # Those that were under way may be there or not; what is sent again is counted once.
            store.append([metrics_writer.batch(store, number) for number in range(max(durable - 8, 0), durable + 8)])
            durable += 8
            series = store.number([metrics_writer.labels(at) for at in range(metrics_writer.SERIES)]).tolist()
            expected = sorted((metrics_writer.time_of(number), float(number)) for number in range(durable))
            for one in store.read(series, 0, ENDLESS_MS):
                assert list(zip(one.at_ms.tolist(), one.values.tolist(), strict=True)) == expected
                series.remove(one.series)
            assert series == []
            (total,) = store.read(store.number([metrics_writer.COUNTER]).tolist(), 0, ENDLESS_MS)
            assert total.values[-1] == durable
