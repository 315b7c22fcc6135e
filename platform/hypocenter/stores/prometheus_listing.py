"""Which series a Prometheus-compatible server holds of a time."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.readers.prometheus_access import IN_FLIGHT
from hypocenter.readers.prometheus_client import QueryTooLargeError
from hypocenter.readers.prometheus_samples import decoded_matrix, decoded_names, key_of
from hypocenter.readers.selectors import one_of
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.series_component import ENDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from hypocenter.batches import Labels
    from hypocenter.readers.prometheus_client import PrometheusClient
    from hypocenter.readers.selectors import Selector

_LONGEST_LISTED_MS = 3_600_000
_SHORTEST_LISTED_MS = 60_000
_MOST_LISTINGS = 48
# Servers take queries of 16 kB, and selectors that are shorter with more ease.
_LONGEST_VALUES = 8_000
# What may come after a component's name: the rest of a pod's name, a domain, a port.
_AFTER_A_NAME = "([-.:].*)?"
_log = logging.getLogger(__name__)


class _Span(NamedTuple):
    """A selector, and a time in ms: after `start`, up to `end`."""

    selector: str
    start: int
    end: int


def names_between(client: PrometheusClient, selectors: Sequence[str], start_ms: int, end_ms: int) -> set[Labels]:
    """Return the labels of the series that match any selector and have samples in [start, end].

    Servers list series by the hour or the day, so they are asked for those that had a last sample in each part of it.
    """
    step = max(_LONGEST_LISTED_MS, math.ceil((end_ms - start_ms) / _MOST_LISTINGS))
    spans = [
        _Span(text, start, min(start + step, end_ms)) for text in selectors for start in range(start_ms, end_ms, step)
    ]
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        listed = list(pool.map(partial(_names, client), spans))
        first = list(pool.map(partial(_names_at, client, start_ms), selectors if start_ms <= end_ms else []))
    return set().union(*listed, *first)


def _names(client: PrometheusClient, span: _Span) -> set[Labels]:
    try:
        answer = client.query(f"last_over_time({span.selector}[{span.end - span.start}ms])", span.end / 1000)
    except QueryTooLargeError:
        if span.end - span.start < 2 * _SHORTEST_LISTED_MS:
            raise
        client.pause(0)
        middle = (span.start + span.end) // 2
        return _names(client, span._replace(end=middle)) | _names(client, span._replace(start=middle))
    warn(client, answer.warnings)
    return {key_of(labels) for labels in decoded_names(answer.data)}


def _names_at(client: PrometheusClient, at_ms: int, selector: str) -> set[Labels]:
    """Return the series with a sample at this very moment; whether a range holds its beginning differs by server."""
    answer = client.query(f"{selector}[1ms]", at_ms / 1000)
    warn(client, answer.warnings)
    return {key for key, (moments, _) in decoded_matrix(answer.data)[0] if (moments == at_ms * 1_000_000).any()}


def narrowed(client: PrometheusClient, selectors: Sequence[Selector], components: Collection[str]) -> list[str]:
    """Return selectors of all series that may speak of components, and of few others."""
    labels = sorted({*DEFAULT_COMPONENT_LABELS, *ENDS} & set(client.label_names()))
    parts = list(_parts(sorted(components)))
    return [each.where(one_of(label, part, _AFTER_A_NAME)) for each in selectors for label in labels for part in parts]


def _parts(names: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for name in names:
        if part and sum(map(len, part)) + len(name) > _LONGEST_VALUES:
            yield part
            part = []
        part.append(name)
    if part:
        yield part


def warn(client: PrometheusClient, warnings: Iterable[str]) -> None:
    """Log what a server warned of."""
    for warning in warnings:
        _log.warning("a server warned", extra={"fields": {"server": client.place, "warning": warning}})
