"""Samples to a server by remote write 1.0: what it will not have is told apart from what it cannot take now."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.errors import SourceError
from hypocenter.readers.prometheus_access import access
from hypocenter.remote_write_encoding import HEADERS, encoded_label, encoded_series, request_body
from hypocenter.remote_write_sending import Patience, deliver
from hypocenter.stores.newest import bits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from hypocenter.batches import Labels, Samples
    from hypocenter.readers.prometheus_options import PrometheusOptions
    from hypocenter.remote_write_sending import Answer

_log = logging.getLogger(__name__)
SAMPLES_PER_REQUEST = 10_000
WRITE_SECONDS = 20.0
_MOST_KNOWN = 1_000_000
# A server takes or refuses a request as a whole: this many more are sent to find what it was refused for.
_MOST_SEARCHES = 200
TOO_OLD, TOO_FAR_AHEAD, OTHER_VALUE = "too old", "too far ahead", "another value at this time"
REFUSED = "refused by the server"
# What Prometheus, Mimir and Thanos say of a sample; Prometheus before 2.43 does so with status 500.
_REASONS = (
    ("too old sample", TOO_OLD),
    ("too far behind", TOO_OLD),
    ("out of bounds", TOO_OLD),
    ("out of order", TOO_OLD),
    ("duplicate sample", OTHER_VALUE),
    ("too far in the future", TOO_FAR_AHEAD),
)
_BY_TIME_ALONE = ("too old sample", "out of bounds")


class Refusal(NamedTuple):
    """Places of samples that were refused, and why."""

    places: NDArray[np.int64]
    reason: str


@dataclass(frozen=True, slots=True)
class Writing:
    """How a server is written to: at `url`, `/api/v1/write` below its own where that is None, with so much patience."""

    url: str | None = None
    patience: Patience = field(default_factory=lambda: Patience(seconds=WRITE_SECONDS))


class RemoteWriter:
    """Writes samples to the remote-write receiver at `url`."""

    def __init__(self, url: str, options: PrometheusOptions, patience: Patience) -> None:
        # Two tries of a server that hangs fit into our patience.
        hasty = replace(options, timeout_s=min(options.timeout_s, patience.seconds / 2))
        self._access = access(url, hasty, HEADERS)
        self._patience = patience
        # Series share their labels: known ones are most of the work of encoding a sample.
        self._known: dict[tuple[str, str], bytes] = {}

    def write(self, samples: Samples, labels_of: Callable[[int], Labels]) -> list[Refusal]:
        """Write samples and return those that were refused; the rest is durable as the server understands it.

        Raises SourceError when the server does not answer as it should within our patience; some of the samples may
        be there then, and writing them again does no harm.
        """
        order = np.lexsort((samples.series, samples.at_ms)).astype(np.int64)
        search = Search(lambda places: self._refusal(samples, places, labels_of))
        for first in range(0, len(order), SAMPLES_PER_REQUEST):
            search.within(order[first : first + SAMPLES_PER_REQUEST])
        return search.refused

    def close(self) -> None:
        """Let go of connections."""
        self._access.http.close()

    def _refusal(self, samples: Samples, places: NDArray[np.int64], labels_of: Callable[[int], Labels]) -> str:
        """Return why the server will not have these samples, "" when it took them."""
        body = request_body(self._encoded(samples, places, labels_of))
        answer = deliver(self._access.http, self._access.place, body, self._patience, _is_refusal)
        if answer.is_taken:
            return ""
        problem = self._access.tidy(answer.problem)
        if _is_refusal(answer):
            return problem
        raise SourceError(f"{self._access.place}: did not take the samples ({problem})")

    def _encoded(
        self, samples: Samples, places: NDArray[np.int64], labels_of: Callable[[int], Labels]
    ) -> Iterator[bytes]:
        series, at_ms = samples.series[places], samples.at_ms[places]
        bits = np.ascontiguousarray(samples.values[places]).view(np.uint64)
        order = np.lexsort((at_ms, series))
        at_each, bits_each = at_ms[order].tolist(), bits[order].tolist()
        starts = np.flatnonzero(np.diff(series[order], prepend=-1))
        for first, last in pairwise([*starts.tolist(), len(order)]):
            named = self._encoded_labels(labels_of(int(series[order[first]])))
            yield encoded_series(named, at_each[first:last], bits_each[first:last])

    def _encoded_labels(self, labels: Labels) -> bytes:
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        for label in labels:
            if label not in self._known:
                self._known[label] = encoded_label(*label)
        return b"".join([self._known[label] for label in labels])


def _is_refusal(answer: Answer) -> bool:
    """Whether the answer speaks of the samples, and would be the same again."""
    return answer.status in (400, 413, 422) or (answer.status == 500 and "too old sample" in answer.text)


@dataclass
class Search:
    """Finds the samples that a server refuses, by sending ever smaller parts."""

    refusal: Callable[[NDArray[np.int64]], str]
    refused: list[Refusal] = field(default_factory=list)
    left: int = _MOST_SEARCHES

    def within(self, places: NDArray[np.int64]) -> None:
        """Send samples, in order of time, and keep which of them were refused."""
        problem = self.refusal(places)
        if not problem:
            return
        if len(places) == 1 or self.left <= 0 or self._is_before_all(places, problem):
            if reason_of(problem) == REFUSED:
                _log.warning("samples refused", extra={"fields": {"samples": len(places), "why": problem}})
            self.refused.append(Refusal(places, reason_of(problem)))
            return
        self.left -= 2
        middle = len(places) // 2
        # The older half first: a server without a window for late samples takes none after a newer one.
        self.within(places[:middle])
        self.within(places[middle:])

    def _is_before_all(self, places: NDArray[np.int64], problem: str) -> bool:
        """Whether even the newest sample is older than what the server takes of any series."""
        if not any(words in problem for words in _BY_TIME_ALONE):
            return False
        self.left -= 1
        newest = self.refusal(places[-1:])
        return any(words in newest for words in _BY_TIME_ALONE)


def reason_of(problem: str) -> str:
    """Return a server's words on a sample as ours; reasons are few, since they are counted by name.

    >>> reason_of("HTTP 400: out of bounds")
    'too old'
    """
    return next((reason for words, reason in _REASONS if words in problem), REFUSED)


def repeated(samples: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of samples that come again at their time: with the same value, and with another."""
    bits = bits_of(samples.values)
    order = np.lexsort((samples.at_ms, samples.series))
    same_key = (np.diff(samples.series[order]) == 0) & (np.diff(samples.at_ms[order]) == 0)
    starts = np.concatenate([[True], ~same_key]) if len(order) else np.empty(0, bool)
    # The sort is stable, so the first of a run is the first that came; each is held against it.
    first = order[np.flatnonzero(starts)][np.cumsum(starts) - 1]
    again, is_same = ~starts, bits[order] == bits[first]
    return order[again & is_same], order[again & ~is_same]
