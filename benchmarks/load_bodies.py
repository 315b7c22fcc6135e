"""Requests of remote write 1.0, encoded before the clock runs: a template per sender takes times and values."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.remote_write_encoding import encoded_labels, encoded_series

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL_MS = 15_000
_MARK_MS = 1_790_000_000_000
_VALUE, _AT = slice(-15, -7), slice(-6, None)


def labels_of(number: int) -> list[tuple[str, str]]:
    """Return the ten labels of a made series: forty metrics of a thousand pods."""
    labels = {
        "__name__": f"http_requests_total_{number % 40}",
        "cluster": "eu-west-1",
        "code": ("200", "404", "500")[number % 3],
        "container": "server",
        "instance": f"10.0.{number % 1000 // 250}.{number % 250}:9090",
        "job": f"shop/{('cart', 'orders', 'payment', 'stock')[number % 4]}",
        "method": ("GET", "POST")[number % 2],
        "namespace": "shop",
        "path": f"/api/v1/things/{number // 40}",
        "pod": f"server-{number % 1000:04d}",
    }
    return sorted(labels.items())


class Template:
    """The request of one sender for its own series, one sample each."""

    def __init__(self, first: int, count: int) -> None:
        parts = [
            encoded_series(encoded_labels(labels_of(number)), [_MARK_MS], [1]) for number in range(first, first + count)
        ]
        self._body = np.frombuffer(b"".join(parts), np.uint8).copy()
        ends = np.cumsum([len(part) for part in parts])
        self._values = ends[:, None] + np.arange(_VALUE.start, _VALUE.stop)
        self._times = ends[:, None] + np.arange(_AT.start, 0)
        self._rates = (np.arange(count) % 17 + 1).astype(float)

    def request(self, at_ms: int, turn: int) -> bytes:
        """Return the compressed body of one turn: counters that grow, each at its own pace."""
        import cramjam

        self._body[self._values] = (self._rates * turn * 15).view(np.uint8).reshape(-1, 8)
        self._body[self._times] = np.array([at_ms >> 7 * place & 0x7F | 0x80 * (place < 5) for place in range(6)])
        return bytes(cramjam.snappy.compress_raw(self._body.tobytes()))


def turns(first: int, count: int, number: int, end_ms: int | None = None) -> Iterator[bytes]:
    """Yield `number` requests for `count` series, an interval apart, the last at `end_ms` (None: now)."""
    template, last = Template(first, count), end_ms or int(time.time() * 1000)
    for turn in range(number):
        yield template.request(last - (number - 1 - turn) * INTERVAL_MS, turn)
