"""The query API over many incidents: how long one question takes; and an investigation that somebody asks for."""

from __future__ import annotations

import argparse
import http.client
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import api_filled
import results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypocenter.client import Client
    from hypocenter.simulator.simulation import Simulation

SERVERS = Path(__file__).parents[1] / "tests" / "servers"
CONNECTIONS = (1, 4)
TRIES, PATIENCE_S = 8, 120.0
QUESTIONS = {
    "an incident": "incidents/{id}",
    "its suspects": "incidents/{id}/suspects",
    "its anomalies": "incidents/{id}/anomalies",
    "its report": "incidents/{id}/report",
    "a report rendered before": "incidents/{first}/report",
    "incidents, the newest 50": "incidents",
    "incidents of a component": "incidents?component=service-{component:02d}",
    "open incidents": "incidents?status=open",
    "anomalies of a component": "anomalies?component=service-{component:02d}",
    "anomalies of a metric in three hours": "anomalies?metric=metric_3&since={since}&until={until}",
}
NOTE = (
    "`hypocenter serve` over {incidents:,} incidents with a verdict each and {anomalies:,} anomalies of 50 components, "
    "asked over HTTP by a client on the same cores, for incidents drawn among those whose verdict has all its charts "
    "(a tenth: the investigation of a simulated system of 50 components). Waits are those of whole answers; "
    "times with several connections hold the waiting for cores. `its report` is mostly rendered when it is asked for, "
    "since a server keeps some two hundred; `a report rendered before` is one of those. "
    "`investigation` is from when it is asked for to its verdict, of {series:,} series that were "
    "pushed before, with detection going on in the same process, the first of {tries} "
    "left out. Bars: p99 of questions about one incident 50 ms, an investigation 2 s."
)


def main() -> None:
    """Fill both stores, ask, investigate, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--anomalies", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--asked", type=int, default=400, help="questions of a kind (default: %(default)s)")
    parser.add_argument("data", nargs="?", help="not used: the records are made")
    given = parser.parse_args()
    sys.path.insert(0, str(SERVERS))
    # What is measured is the answering, not how much of it one client may have.
    os.environ |= {"HYPOCENTER_RATE_LIMIT": "0"}
    system = api_filled.system()
    rows = _of_stores(system, given) + _of_investigations(system)
    told = {"incidents": given.incidents, "anomalies": given.anomalies, "tries": TRIES}
    results.keep("api", rows, note=NOTE.format(**told, series=system.metrics.values.shape[1]))


def _of_stores(system: Simulation, given: argparse.Namespace) -> list[results.Row]:
    from native_postgres import Postgres

    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as account:
        folder = Path(name)
        size = api_filled.Size(given.incidents, given.anomalies, datetime.now(UTC))
        asked = api_filled.fill(str(folder / "records.db"), size, api_filled.document(system))
        with _serving(folder) as url:
            rows = _answered("SQLite", url, asked, given.asked)
        with Postgres(Path(account)) as postgres:
            os.environ["HYPOCENTER_RECORDS_PASSWORD_FILE"] = str(postgres.password_file)
            api_filled.copy_to_postgres(str(folder / "records.db"), postgres.url(), postgres.password)
            with _serving(folder / "other", "--records", postgres.url()) as url:
                return rows + _answered("PostgreSQL", url, asked, given.asked)


@contextmanager
def _serving(folder: Path, *options: str) -> Iterator[str]:
    from hypocenter_server import HypocenterServer

    with HypocenterServer(folder, *options) as server:
        yield server.url


def _answered(store: str, url: str, incidents: Sequence[str], count: int) -> list[results.Row]:
    rows = []
    for title, question in QUESTIONS.items():
        _asked(url, list(_paths(question, incidents, 10, seed=0)))
        for connections in CONNECTIONS:
            paths = list(_paths(question, incidents, count, seed=connections))
            with ThreadPoolExecutor(connections) as pool:
                parts = [paths[place::connections] for place in range(connections)]
                waits = sorted(wait for part in pool.map(_asked, [url] * connections, parts) for wait in part)
            rows.append(_row(f"{title}", store, connections, waits))
    return rows


def _paths(question: str, incidents: Sequence[str], count: int, seed: int) -> Iterator[str]:
    chosen = random.Random(seed)
    for _ in range(count):
        since = datetime.now(UTC) - timedelta(hours=chosen.randint(4, 72))
        span = {"since": _time(since), "until": _time(since + timedelta(hours=3))}
        place = {"id": chosen.choice(incidents), "first": incidents[0], "component": chosen.randrange(50), **span}
        yield "/api/v1/" + question.format(**place)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _asked(url: str, paths: Sequence[str]) -> list[float]:
    """Return the wait for each answer on one connection, in ms."""
    waits, connection = [], http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    for path in paths:
        begun = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        waits.append((time.perf_counter() - begun) * 1000)
        if answer.status != http.client.OK:
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
    connection.close()
    return waits


def _of_investigations(system: Simulation) -> list[results.Row]:
    from hypocenter_server import HypocenterServer

    from hypocenter.client import Client
    from hypocenter.simulator.send import fault_as_sent, send

    now = datetime.now(UTC)
    at = fault_as_sent(system, now)
    assert at is not None
    with tempfile.TemporaryDirectory() as folder, HypocenterServer(Path(folder), "--detection") as server:
        send(system, f"{server.url}/api/v1/write", ending_at=now)
        with Client(server.url) as client:
            waits = [_investigated(client, at) for _ in range(TRIES)][1:]
    return [_row("investigation", "SQLite", 1, sorted(waits))]


def _investigated(client: Client, at: datetime) -> float:
    begun = time.perf_counter()
    found = client.investigate(at=at)
    assert found.verdict is not None
    return (time.perf_counter() - begun) * 1000


def _row(question: str, store: str, connections: int, waits: Sequence[float]) -> results.Row:
    """Return a row of sorted waits."""
    return {
        "question": question,
        "records": store,
        "connections": connections,
        "asked": len(waits),
        "p50 ms": _share(waits, 0.5),
        "p99 ms": _share(waits, 0.99),
        "longest ms": waits[-1],
    }


def _share(waits: Sequence[float], share: float) -> float:
    return waits[min(len(waits) - 1, int(share * len(waits)))]


if __name__ == "__main__":
    main()
