"""Whether the servers that settings name answer, are new enough, and have our time."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from redis import Redis
from redis.exceptions import RedisError

from hypocenter import settings
from hypocenter.api.doctor.findings import Finding
from hypocenter.api.parts import RECORDS_FILE
from hypocenter.errors import HypocenterError
from hypocenter.readers.prometheus_access import access
from hypocenter.readers.prometheus_options import access_from_settings
from hypocenter.stores.looking import look_at_records
from hypocenter.stores.opening_metrics import metrics_url
from hypocenter.stores.redis_place import redis_url
from hypocenter_graph.stores.opening import version_of_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hypocenter.api.doctor.examined import Examined

TIMEOUT_S = 5.0
SKEW_S = 5.0
OLDEST_REDIS, OLDEST_POSTGRES, OLDEST_NEO4J = (6,), (13,), (5, 26)


def redis_answers(examined: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the Redis server, where workers are met there."""
    if not examined.places.apart:
        return
    try:
        with Redis.from_url(redis_url(), socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as redis:
            said, (seconds, micros) = redis.info(), redis.time()
    except (HypocenterError, RedisError, OSError, ValueError) as error:
        yield Finding("redis-unreachable", "redis", " ".join(str(error).split()))
        return
    if _version(str(said["redis_version"])) < OLDEST_REDIS:
        yield Finding("redis-old", "redis", f"the server is Redis {said['redis_version']}")
    if said.get("maxmemory") and said.get("maxmemory_policy") != "noeviction":
        yield Finding("redis-evicts", "redis", f"its maxmemory-policy is {said.get('maxmemory_policy')}")
    yield from _skewed("redis", seconds + micros / 1e6 - examined.now().timestamp())


def records_answer(examined: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the database of records."""
    place = str(examined.places.records or settings.read("records") or examined.places.data_dir / RECORDS_FILE)
    if "://" not in place and not Path(place).is_file():
        return
    try:
        seen = look_at_records(place)
    except HypocenterError as error:
        yield Finding("records-unreachable", "records", str(error))
        return
    if seen.is_postgres and _version(seen.version) < OLDEST_POSTGRES:
        yield Finding("records-old", "records", f"the server is PostgreSQL {seen.version}")
    if seen.is_newer:
        yield Finding(
            "records-newer", "records", f"they are of schema {seen.revision}, which is newer than this version"
        )
    if seen.now is not None:
        yield from _skewed("records", (seen.now - examined.now()).total_seconds())


def graph_answers(examined: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the Neo4j server, where one keeps the graph."""
    where = examined.places.graph or settings.read("graph")
    if where is None or "://" not in str(where):
        return
    try:
        version = version_of_server(str(where))
    except HypocenterError as error:
        yield Finding("graph-unreachable", "graph", str(error))
        return
    if _version(version) < OLDEST_NEO4J:
        yield Finding("graph-old", "graph", f"the server is Neo4j {version}")


def metrics_answer(examined: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the server that keeps the metrics, where one does."""
    url = metrics_url(examined.places.metrics)
    if url is None:
        return
    try:
        way = access(url, access_from_settings("metrics"), {})
        with way.http as http:
            answer = http.get(f"{way.place}/api/v1/query", params={"query": "1"}, timeout=TIMEOUT_S)
    except (HypocenterError, httpx.HTTPError) as error:
        yield Finding("metrics-unreachable", "metrics", " ".join(str(error).split()))
        return
    if not answer.is_success:
        yield Finding("metrics-unreachable", "metrics", f"{way.place} answers with {answer.status_code}")
    yield from skewed_by_date("metrics", answer.headers.get("date", ""), examined.now())


def skewed_by_date(server: str, date: str, now: datetime) -> Iterator[Finding]:
    """Yield that a server's `Date` header is not our time; it is of whole seconds."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return
    yield from _skewed(server, (theirs - now).total_seconds())


def _skewed(server: str, ahead_s: float) -> Iterator[Finding]:
    if abs(ahead_s) > SKEW_S:
        way = "ahead of" if ahead_s > 0 else "behind"
        yield Finding("clock-skew", server, f"its clock is {abs(ahead_s):.0f} s {way} ours")


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with.

    >>> _version("15.18 (Debian 15.18-0+deb12u1)"), _version("5.26.30-community")
    ((15, 18), (5, 26))
    """
    numbers = []
    for part in text.split()[0].split(".")[:2] if text.strip() else ():
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
