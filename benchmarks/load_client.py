"""A client that sends remote write over many connections, in a process of its own, and tells what it waited for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import load_bodies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATH = "/api/v1/write"


@dataclass(frozen=True)
class Load:
    """What is sent: each connection sends its own series in turns, one sample each; `rate` is samples a second."""

    url: str
    connections: int = 16
    series: int = 2_000
    turns: int = 300
    seconds: float = 20.0
    rate: float | None = None
    first: int = 0
    end_ms: int | None = None


@dataclass
class Outcome:
    """Samples acknowledged, seconds that took, how long each request waited in ms, and answers that were no 2xx."""

    samples: int = 0
    seconds: float = 0.0
    waits_ms: list[float] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Acknowledged samples a second."""
        return self.samples / self.seconds

    def wait_ms(self, share: float) -> float:
        """Return the wait that a share of the requests did not exceed."""
        ordered = sorted(self.waits_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(load: Load) -> Outcome:
    """Encode all requests, then send them."""
    requests = [list(_requests(load, number)) for number in range(load.connections)]
    return asyncio.run(_sent(load, requests))


def _requests(load: Load, number: int) -> Iterator[bytes]:
    first = load.first + number * load.series
    for body in load_bodies.turns(first, load.series, load.turns, load.end_ms):
        yield _head(load.url, len(body)) + body


def _head(url: str, size: int) -> bytes:
    lines = (
        f"POST {PATH} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        "Content-Encoding: snappy",
        "Content-Type: application/x-protobuf",
        "X-Prometheus-Remote-Write-Version: 0.1.0",
        "User-Agent: load",
        f"Content-Length: {size}",
    )
    return "\r\n".join((*lines, "", "")).encode()


async def _sent(load: Load, requests: Sequence[Sequence[bytes]]) -> Outcome:
    outcome, began = Outcome(), time.perf_counter()
    senders = [_sender(load, number, own, began, outcome) for number, own in enumerate(requests)]
    await asyncio.gather(*senders)
    outcome.seconds = time.perf_counter() - began
    return outcome


async def _sender(load: Load, number: int, requests: Sequence[bytes], began: float, outcome: Outcome) -> None:
    """Send one connection's requests, each after the answer to the one before, until they or the seconds run out.

    With a rate each request has a time at which it is due, and its wait counts from then, also when it is sent late.
    """
    place = urlsplit(load.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    between = load.connections * load.series / load.rate if load.rate else 0.0
    for turn, request in enumerate(requests):
        due = began + between * (turn + number / load.connections) if load.rate else time.perf_counter()
        if max(due, time.perf_counter()) > began + load.seconds:
            break
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        writer.write(request)
        status = await _status(reader)
        outcome.waits_ms.append((time.perf_counter() - due) * 1000)
        outcome.samples += load.series * (status // 100 == 2)
        outcome.refused[status] += status // 100 != 2
    writer.close()
    await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return int(head[9:12])
