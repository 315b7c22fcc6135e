"""Replay a simulation's metrics to a running server by Prometheus remote write 1.0.

Source of the format: the Prometheus remote-write specification 1.0 (prometheus/docs); protobuf is written by hand,
since the messages have five fields in all.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import httpx

    from hypocenter.simulator.simulation import Simulation
    from hypocenter.telemetry import RawTable, Values

STALE = struct.pack("<Q", 0x7FF0000000000002)
BATCH = 20_000
ATTEMPTS = 8
LONGEST_WAIT = 30.0
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "hypocenter",
}


@dataclass(frozen=True)
class Pace:
    """How time passes while sending; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


def send(
    simulation: Simulation,
    url: str,
    *,
    speed: float | None = None,
    ending_at: datetime | None = None,
    pace: Pace | None = None,
) -> int:
    """Send all metrics, in order of time, to a remote-write receiver; return how many samples were sent.

    `url` is the receiver's own, for example `http://127.0.0.1:9090/api/v1/write`; `speed` is how many seconds of the
    run pass in one second (None: as fast as they are accepted); `ending_at` shifts the last sample to that time.
    Series that fall silent are marked stale. Raises InputError for a URL that is not http or https, SourceError when
    the server refuses or stays away.
    """
    import httpx

    pace = pace or Pace()
    target = _checked(url)
    table, millis = simulation.metrics, _millis(simulation.metrics, ending_at)
    block = 1 if speed else max(1, BATCH // max(1, len(table.labels)))
    began, sent = pace.now(), 0
    with httpx.Client(timeout=30.0, headers=HEADERS) as client:
        for first in range(0, len(millis), block):
            if speed:
                due = began + (millis[first] - millis[0]) / 1000 / speed
                pace.wait(max(0.0, due - pace.now()))
            for body, samples in _requests(table, millis, first, min(first + block, len(millis))):
                _post(client, target, body, pace)
                sent += samples
    return sent


def fault_as_sent(simulation: Simulation, ending_at: datetime | None = None) -> datetime | None:
    """Return when the fault began in the times that `send` sends, None when there is no fault."""
    began = simulation.truth.started_at
    return began and began + timedelta(milliseconds=_shift_ms(simulation.metrics, ending_at))


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


def _millis(table: RawTable, ending_at: datetime | None) -> list[int]:
    millis = table.times.astype("datetime64[ms]").astype(np.int64) + _shift_ms(table, ending_at)
    return [int(value) for value in millis]


def _shift_ms(table: RawTable, ending_at: datetime | None) -> int:
    if ending_at is None or len(table.times) == 0:
        return 0
    return round(ending_at.timestamp() * 1000) - int(table.times[-1].astype("datetime64[ms]").astype(np.int64))


def _requests(table: RawTable, millis: list[int], first: int, last: int) -> Iterator[tuple[bytes, int]]:
    """Yield write requests of at most `BATCH` samples or one step's series, and how many samples each holds."""
    import cramjam

    width = max(1, BATCH // (last - first))
    for start in range(0, len(table.labels), width):
        body, samples = bytearray(), 0
        for j in range(start, min(start + width, len(table.labels))):
            encoded, count = _series(
                table.labels[j], table.values[max(0, first - 1) : last, j], millis[first:last], first > 0
            )
            body += encoded
            samples += count
        if samples:
            yield bytes(cramjam.snappy.compress_raw(bytes(body))), samples


def _series(labels: Mapping[str, str], values: Values, millis: list[int], has_previous: bool) -> tuple[bytes, int]:
    """Return one TimeSeries message; `values` begins with the sample before `millis` when `has_previous`."""
    present = ~np.isnan(values)
    before = np.concatenate([[False], present[:-1]])
    skip = 1 if has_previous else 0
    wanted = [i for i in range(skip, len(values)) if present[i] or before[i]]
    if not wanted:
        return b"", 0
    body = bytearray(_labels(labels))
    for i in wanted:
        value = struct.pack("<d", values[i]) if present[i] else STALE
        body += _field(2, b"\x09" + value + b"\x10" + _varint(millis[i - skip]))
    return _field(1, bytes(body)), len(wanted)


def _labels(labels: Mapping[str, str]) -> bytes:
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(labels.items())
        if value
    )


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _post(client: httpx.Client, url: httpx.URL, body: bytes, pace: Pace) -> None:
    """Deliver one request; wait and try again where the specification says so."""
    import httpx

    problem, asked = "", 0.0
    for attempt in range(ATTEMPTS):
        if attempt:
            pace.wait(min(LONGEST_WAIT, max(asked, 0.25 * 2**attempt)))
        try:
            answer = client.post(url, content=body)
        except httpx.TransportError as error:
            problem = f"{type(error).__name__}: {error}"
            continue
        if answer.is_success:
            return
        problem = f"HTTP {answer.status_code}: {' '.join(answer.text.split())[:200]}"
        if answer.status_code != 429 and answer.status_code < 500:
            break
        after = answer.headers.get("Retry-After", "")
        asked = float(after) if after.isascii() and after.isdigit() else 0.0
    public = url.copy_with(userinfo=b"")
    raise SourceError(
        f"{public} did not take the samples ({problem}); is it a remote-write receiver that is switched on?"
    )
