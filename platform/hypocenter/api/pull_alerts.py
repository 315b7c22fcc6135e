"""Alerts that a server's own rules fired, as its series `ALERTS` and `ALERTS_FOR_STATE` tell of them.

Source: Prometheus' documentation, "Alerting rules": `ALERTS` is 1 while an alert is pending or fires;
`ALERTS_FOR_STATE` is the Unix time at which it became pending, so that it tells one time of firing from the next.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypocenter.events import KeptAlert, Origin
from hypocenter.ingest.alert_labels import alert_of, fingerprint
from hypocenter.readers.prometheus_samples import key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_samples import Key

FIRING, ACTIVE_SINCE = "ALERTS", "ALERTS_FOR_STATE"
SOURCE = "prometheus"
SELECTOR = f'{{__name__=~"{FIRING}|{ACTIVE_SINCE}"}}'
STILL_FIRING = f'{FIRING}{{alertstate="firing"}}'


def alerts_in(
    parts: Iterable[tuple[Key, Samples]], still: Collection[Key], order: Sequence[str]
) -> Iterator[KeptAlert]:
    """Yield the alerts that fired, once for each time that they did.

    `still` are the labels of `ALERTS` series that fire yet; what is not among them has ended with its last sample.
    `order`: labels that may name the component, best first. A server that lacks either series tells of no alerts.
    """
    series = list(parts)
    since = {_own(key): samples for key, samples in series if dict(key).get("__name__") == ACTIVE_SINCE}
    firing_now = {_own(key) for key in still}
    for key, samples in series:
        labels = dict(key)
        if labels.get("__name__") == FIRING and labels.get("alertstate") == "firing":
            own = _own(key)
            yield from _times(own, samples, since.get(own), order, is_firing=own in firing_now)


def ended(
    kept: Iterable[KeptAlert], told: Collection[KeptAlert], still: Collection[Key], now: datetime
) -> Iterator[KeptAlert]:
    """Yield as ended the kept alerts of a server that do not fire yet, or have begun anew, by what was `told` now."""
    firing_now = {_own(key) for key in still}
    keys = {alert.origin.key for alert in told}
    begun = {key_of(alert.origin.labels) for alert in told}
    for alert in kept:
        own = key_of(alert.origin.labels)
        is_over = own not in firing_now or own in begun
        if alert.origin.source == SOURCE and alert.origin.key not in keys and is_over:
            yield replace(alert, ends_at=now, resolved=True)


def _own(key: Key) -> Key:
    """Return what an alert's two series have in common."""
    return tuple(pair for pair in key if pair[0] not in ("__name__", "alertstate"))


def _times(
    own: Key, firing: Samples, since: Samples | None, order: Sequence[str], *, is_firing: bool
) -> Iterator[KeptAlert]:
    """Yield one alert for each moment since when it was active, while it fired."""
    active = dict(zip(since[0].tolist(), since[1].tolist(), strict=True)) if since else {}
    spans: dict[float, list[int]] = {}
    for moment in firing[0].tolist():
        if 0 <= active.get(moment, math.nan) <= moment / 1e9:
            spans.setdefault(active[moment], []).append(moment)
    newest = max(spans, default=0.0)
    for began, moments in sorted(spans.items()):
        yield _alert(dict(own), began, moments, order, is_over=not is_firing or began != newest)


def _alert(
    labels: dict[str, str], began: float, moments: list[int], order: Sequence[str], *, is_over: bool
) -> KeptAlert:
    fired = _moment(moments[0])
    since = datetime.fromtimestamp(began, tz=UTC)
    origin = Origin(f"alert:{fingerprint(labels)}@active {began:.3f}", SOURCE, labels=labels, since=since)
    return KeptAlert(alert_of(labels, {}, fired, order), origin, _moment(moments[-1]) if is_over else None, is_over)


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, tz=UTC)
