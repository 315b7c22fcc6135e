"""Replay a simulation's metrics to a running server by Prometheus remote write 1.0."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import STALE_BITS
from hypocenter.bearer import bearer
from hypocenter.errors import InputError, SourceError
from hypocenter.remote_write_encoding import HEADERS, encoded_labels, encoded_series, request_body
from hypocenter.remote_write_sending import Patience, deliver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

    from hypocenter.simulator.simulation import Simulation
    from hypocenter.telemetry import RawTable, Values

BATCH = 20_000


@dataclass(frozen=True)
class Pace:
    """How time passes while sending; tests bring their own. `today` is the time of day, in seconds since 1970."""

    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    today: Callable[[], float] = time.time


def send(
    simulation: Simulation,
    url: str,
    *,
    speed: float | None = None,
    ending_at: datetime | None = None,
    live: bool = False,
    token: str | None = None,
    pace: Pace | None = None,
) -> int:
    """Send all metrics, in order of time, to a remote-write receiver; return how many samples were sent.

    `url` is the receiver's own, for example `http://127.0.0.1:9090/api/v1/write`; `speed` is how many seconds of the
    run pass in one second (None: as fast as they are accepted); `ending_at` shifts the last sample to that time. With
    `live` what lies in the future is sent when its time comes. A `token` is shown with every request.
    Series that fall silent are marked stale. Raises InputError for a URL that is not http or https and for what can be
    no token, SourceError when the server refuses or stays away.
    """
    import httpx

    pace = pace or Pace()
    target = _checked(url)
    table, millis = simulation.metrics, millis_of(simulation.metrics, ending_at)
    past = bisect_right(millis, pace.today() * 1000) if live else len(millis)
    block = 1 if speed else max(1, BATCH // max(1, len(table.labels)))
    began, sent = pace.now(), 0
    with httpx.Client(timeout=30.0, headers={**HEADERS, **bearer(token)}) as client:
        for first, last in _blocks(past, len(millis), block):
            if speed:
                due = began + (millis[first] - millis[0]) / 1000 / speed
                pace.wait(max(0.0, due - pace.now()))
            elif first >= past:
                pace.wait(max(0.0, millis[first] / 1000 - pace.today()))
            for body, samples in requests(table, millis, first, last):
                _post(client, target, body, pace)
                sent += samples
    return sent


def ending_with_fault_at(simulation: Simulation, fault_at: datetime) -> datetime:
    """Return the `ending_at` with which the fault falls at a time; raises InputError when there is no fault."""
    began = fault_as_sent(simulation)
    if began is None:
        raise InputError("the scenario has no fault to place; leave --fault-at out")
    last_ms = millis_of(simulation.metrics)[-1]
    return fault_at + (datetime.fromtimestamp(last_ms / 1000, UTC) - began)


def fault_as_sent(simulation: Simulation, ending_at: datetime | None = None) -> datetime | None:
    """Return when the fault began in the times that `send` sends, None when there is no fault."""
    began = simulation.truth.started_at
    return began and began + timedelta(milliseconds=_shift_ms(simulation.metrics, ending_at))


def millis_of(table: RawTable, ending_at: datetime | None = None) -> list[int]:
    """Return the times of a table's rows in ms, shifted so that the last is `ending_at`, where that is given."""
    millis = table.times.astype("datetime64[ms]").astype(np.int64) + _shift_ms(table, ending_at)
    return [int(value) for value in millis]


def requests(table: RawTable, millis: list[int], first: int, last: int) -> Iterator[tuple[bytes, int]]:
    """Yield write requests of the rows from `first` to before `last`, and how many samples each holds.

    One holds at most `BATCH` samples or one step's series; `millis` are the times of all rows of the table.
    """
    width = max(1, BATCH // (last - first))
    for start in range(0, len(table.labels), width):
        body, samples = [], 0
        for j in range(start, min(start + width, len(table.labels))):
            encoded, count = _series(
                table.labels[j], table.values[max(0, first - 1) : last, j], millis[first:last], first > 0
            )
            body.append(encoded)
            samples += count
        if samples:
            yield request_body(body), samples


def _blocks(past: int, rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the rows that are sent together, from the first to before the last: `size`, and one each after `past`."""
    yield from ((first, min(first + size, past)) for first in range(0, past, size))
    yield from ((row, row + 1) for row in range(past, rows))


def _checked(url: str) -> httpx.URL:
    from urllib.parse import urlsplit

    import httpx

    try:
        urlsplit(url)  # finds broken brackets, which httpx takes for a name
        parsed = httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise InputError(f"{url!r} is not a URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InputError(f"{url!r} is not an http or https URL; write for example http://127.0.0.1:9090/api/v1/write")
    return parsed


def _shift_ms(table: RawTable, ending_at: datetime | None) -> int:
    if ending_at is None or len(table.times) == 0:
        return 0
    return round(ending_at.timestamp() * 1000) - int(table.times[-1].astype("datetime64[ms]").astype(np.int64))


def _series(labels: Mapping[str, str], values: Values, millis: list[int], has_previous: bool) -> tuple[bytes, int]:
    """Return one TimeSeries message; `values` begins with the sample before `millis` when `has_previous`."""
    present = ~np.isnan(values)
    before = np.concatenate([[False], present[:-1]])
    skip = 1 if has_previous else 0
    wanted = [i for i in range(skip, len(values)) if present[i] or before[i]]
    if not wanted:
        return b"", 0
    bits = np.where(present, np.ascontiguousarray(values).view(np.uint64), np.uint64(STALE_BITS))
    named = encoded_labels((name, value) for name, value in sorted(labels.items()) if value)
    return encoded_series(named, [millis[i - skip] for i in wanted], bits[wanted].tolist()), len(wanted)


def _post(client: httpx.Client, url: httpx.URL, body: bytes, pace: Pace) -> None:
    answer = deliver(client, url, body, Patience(now=pace.now, wait=pace.wait))
    if answer.is_taken:
        return
    public = url.copy_with(userinfo=b"")
    raise SourceError(
        f"{public} did not take the samples ({answer.problem}); is it a remote-write receiver that is switched on?"
    )
