"""Telemetry of many small systems, sent steadily by remote write, in which one system after the other falls ill."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Samples
from hypocenter.errors import SourceError
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.remote_write_sending import Patience
from hypocenter.stores.prometheus_writing import RemoteWriter

if TYPE_CHECKING:
    from typing import Self

    from hypocenter.batches import Labels
    from hypocenter.stores.prometheus_writing import Refusal

METRICS = {"request_latency_p99_seconds": 0.2, "error_ratio": 0.02}
HISTORY = timedelta(minutes=15)
# So much is sent ahead of time, that an outage of what is not tried here makes no sample late.
LEAD = timedelta(seconds=60)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Stream:
    """A sample a second of each metric of `systems` callers and their databases; the same for the same `begun`.

    HISTORY and `calm` after `begun`, and then each `every`, the next system's database is ill for `lasting`, and its
    caller with it.
    """

    begun: datetime
    systems: int
    every: timedelta = timedelta(seconds=12)
    lasting: timedelta = timedelta(seconds=10)
    calm: timedelta = timedelta(seconds=30)
    name: str = "shop"

    @property
    def first(self) -> datetime:
        """When the first system falls ill."""
        return self.begun + HISTORY + self.calm

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Caller and database of each system, in the order in which they fall ill."""
        return [(f"{self.name}-{number}", f"{self.name}-{number}-db") for number in range(self.systems)]

    def ill_before(self, moment: datetime) -> list[tuple[str, str]]:
        """Return the systems whose illness was over then."""
        over = max((moment - self.first - self.lasting) // self.every + 1, 0)
        return self.pairs[:over]

    @property
    def labels(self) -> list[Labels]:
        """The series."""
        return [
            (("__name__", metric), ("service", component))
            for pair in self.pairs
            for component in pair
            for metric in METRICS
        ]

    def samples(self, start: datetime, end: datetime) -> Samples:
        """Return the samples in [start, end), which are whole seconds, of series by their place in `labels`."""
        seconds = np.arange((start - self.begun) // SECOND, (end - self.begun) // SECOND)
        values = np.stack([self._values(place, seconds) for place in range(len(self.labels))])
        at_ms = int(self.begun.timestamp() * 1000) + 1000 * seconds
        places = np.repeat(np.arange(len(values)), len(seconds))
        return Samples(places, np.tile(at_ms, len(values)), values.ravel())

    def send(self, writer: RemoteWriter, start: datetime, end: datetime) -> list[Refusal]:
        """Send the samples in [start, end) and return what was refused; raises SourceError."""
        return writer.write(self.samples(start, end), self.labels.__getitem__)

    def _values(self, place: int, seconds: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(place).normal(size=int(seconds[-1]) + 1)[seconds]
        usual = list(METRICS.values())[place % len(METRICS)]
        system = place // (2 * len(METRICS))
        fell_ill = (self.first - self.begun + system * self.every) // SECOND
        is_ill = (seconds >= fell_ill) & (seconds < fell_ill + self.lasting // SECOND)
        return usual * (1 + 0.05 * noise + 6.0 * is_ill)


def writer_to(url: str, token: str | None = None) -> RemoteWriter:
    """Return what sends to the server at `url`, with a token where it asks for one."""
    options = PrometheusOptions(timeout_s=20.0, bearer_token=token)
    return RemoteWriter(f"{url}/api/v1/write", options, Patience(attempts=1, seconds=10.0))


class Sender:
    """Sends a stream to the server at `url`, LEAD ahead of the clock, from here to the end of this context."""

    def __init__(self, stream: Stream, url: str, token: str | None = None) -> None:
        self._writer = writer_to(url, token)
        self._stream, self._sent = stream, stream.begun
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.refused: list[Refusal] = []
        self.failures = 0

    def send(self) -> None:
        """Send what is due."""
        until = datetime.now(UTC).replace(microsecond=0) + LEAD
        if until > self._sent:
            self.refused += self._stream.send(self._writer, self._sent, until)
            self._sent = until

    def __enter__(self) -> Self:
        self.send()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._writer.close()

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                self.send()
            except SourceError:
                # It is sent again with the next turn, as every sender does.
                self.failures += 1
