"""Taking remote write: samples a second, how long a sender waits, new series, memory; beside Prometheus' receiver."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import load_bodies
import load_client
import results
from load_client import Load, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = Path(__file__).parents[1] / "tests" / "servers"
REQUIRED, NEW = 150_000.0, 50_000
HALF_OF_TOP, HALF_OF_BAR = "at half of its fastest", "at 75,000 samples/s"
BURST = "50,000 series never seen before, one sample each"
LOADS = ("as fast as it goes", HALF_OF_TOP, HALF_OF_BAR, BURST)
# 25 turns of 16 connections with 2,000 series each: 800,000 samples a second are more than any takes.
TURNS_A_SECOND = 25
NOTE = (
    "`hypocenter serve` with a fresh data directory, and on the same cores a client in a process of its own that sends "
    "requests which it encoded before: remote write 1.0, snappy, 16 connections, each with 2,000 series of its own "
    "(ten labels, 250 bytes), one sample of each in a request, 15 s of their time apart. A request is acknowledged "
    "after its samples are committed; `samples/s` are the acknowledged ones. At a set rate a wait counts "
    "from when a request is due, else from when it is sent. 50,000 new series are 25 requests at once. Then the same "
    "goes to the receiver of Prometheus (Debian's package). `MB` is the server's memory after each load. Bars: 150,000 "
    "samples/s, a p99 of 250 ms at half of that, 3 s for the new series, and nothing refused."
)


def main() -> None:
    """Load Hypocenter, then Prometheus, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load (default: %(default)s)")
    parser.add_argument("data", nargs="?", help="not used: the samples are made")
    seconds = parser.parse_args().seconds
    sys.path.insert(0, str(SERVERS))
    with _hypocenter() as (url, pid):
        rows = _measured("Hypocenter", url, pid, seconds)
    with _prometheus() as (url, pid):
        rows += _measured("Prometheus", url, pid, seconds)
    results.keep("ingest", sorted(rows, key=lambda row: LOADS.index(str(row["load"]))), note=NOTE)


@contextmanager
def _hypocenter() -> Iterator[tuple[str, int]]:
    from hypocenter_server import HypocenterServer

    with tempfile.TemporaryDirectory() as folder:
        server = HypocenterServer(Path(folder) / "data")
        try:
            yield server.url, server.process.pid
        finally:
            server.stop()


@contextmanager
def _prometheus() -> Iterator[tuple[str, int]]:
    from server_process import ServerProcess, free_port

    with tempfile.TemporaryDirectory() as folder:
        port, settings = free_port(), Path(folder) / "prometheus.yml"
        settings.write_text("{}", encoding="utf-8")
        paths = [f"--config.file={settings}", f"--storage.tsdb.path={folder}/data"]
        command = ["prometheus", *paths, f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"]
        with ServerProcess(command, "Server is ready to receive web requests") as server:
            yield f"http://127.0.0.1:{port}", server.pid


def _measured(name: str, url: str, pid: int, seconds: float) -> list[results.Row]:
    """Return a row for each load; in time each goes on where the one before ended."""
    turns = int(TURNS_A_SECOND * seconds)
    known = Load(url, turns=turns, seconds=seconds)
    _sent(replace(known, turns=1, end_ms=_ago(4 * turns)))
    top = _sent(replace(known, end_ms=_ago(2 * turns)))
    rows = [_row(LOADS[0], name, top, pid)]
    for title, rate, ago in ((HALF_OF_TOP, top.rate / 2, turns), (HALF_OF_BAR, REQUIRED / 2, 0)):
        needed = int(rate * seconds / (known.connections * known.series)) + 1
        paced = replace(known, rate=rate, turns=min(needed, turns), end_ms=_ago(ago))
        rows.append(_row(title, name, _sent(paced), pid))
    new = replace(known, connections=NEW // known.series, turns=1, seconds=60.0, first=10**6)
    return [*rows, _row(BURST, name, _sent(new), pid)]


def _ago(turns: int) -> int:
    return int(time.time() * 1000) - turns * load_bodies.INTERVAL_MS


def _sent(load: Load) -> Outcome:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(load_client.run, load).result()


def _row(load: str, name: str, outcome: Outcome, pid: int) -> results.Row:
    return {
        "load": load,
        "receiver": name,
        "seconds": outcome.seconds,
        "samples/s": outcome.rate,
        "p50 ms": outcome.wait_ms(0.5),
        "p99 ms": outcome.wait_ms(0.99),
        "refused": outcome.refused.total(),
        "MB": _megabytes(pid),
    }


def _megabytes(pid: int) -> float:
    """Return the memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
