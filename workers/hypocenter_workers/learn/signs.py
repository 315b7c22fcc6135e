"""Signs: whatever left its normal in an incident, alert or series, in one form that learners count and compare."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.catalog import measure
from hypocenter.model import MetricKind
from hypocenter.signals.components import is_pseudo
from hypocenter_graph.deviation import UNUSUAL
from hypocenter_workers.correlate import AROUND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hypocenter.model import Alert
    from hypocenter_graph.deviation import Deviation
    from hypocenter_workers.learn.examples import Example

METRIC, TRACE, LOG = "metric", "trace", "log"
UP, DOWN = "up", "down"
_LINES = frozenset({MetricKind.LOG_LINES, MetricKind.ERROR_LINES})
_FAILED = re.compile(r"err|fail|exception|abort|refus|timeout|unavailable|^[45]\d\d$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing out of its normal on `component`: what it is called and which way it went.

    `peer` is who asked, for a sign of a call: the component itself for a call that it makes. `kind` says what a metric
    measures, `failed` of a call that it failed rather than took long.
    """

    component: str
    modality: str
    name: str
    state: str
    peer: str | None = None
    kind: MetricKind = MetricKind.OTHER
    failed: bool = False

    @property
    def down(self) -> bool:
        """Whether it fell below its normal; what does not say so rose."""
        return self.state == DOWN


def signs_of(example: Example) -> tuple[Sign, ...]:
    """Return the signs of an incident, each once, in an order that is not that of its alerts or columns."""
    found = {*map(_alerted, alerts_near(example)), *_moved(example)}
    return tuple(sorted(found, key=lambda s: (s.component, s.modality, s.name, s.state, s.peer or "")))


def alerts_near(example: Example) -> Iterator[Alert]:
    """Yield the alerts around the start of an incident; those without a time are all of them."""
    return (alert for alert in example.case.alerts if _near(alert.at, example.at))


def observed(example: Example) -> Iterator[str]:
    """Yield the modality of every series that was seen, whether it moved or not."""
    seen = example.ranking.seen
    for component, deviations in seen.own.items():
        if not is_pseudo(component):
            yield from (_modality(deviation, None) for deviation in deviations)
    for (caller, _), deviations in seen.edges.items():
        yield from (_modality(deviation, caller) for deviation in deviations)


def _near(at: datetime | None, onset: datetime | None) -> bool:
    return at is None or onset is None or abs(at - onset) <= AROUND


def _alerted(alert: Alert) -> Sign:
    if alert.modality == LOG:
        # The state of a log alert counts lines.
        return Sign(alert.component, LOG, alert.name, "", alert.peer)
    kind = measure(alert.name).kind if alert.modality == METRIC else MetricKind.OTHER
    failed = alert.modality == TRACE and bool(_FAILED.search(alert.state))
    return Sign(alert.component, alert.modality, alert.name, alert.state, alert.peer, kind, failed)


def _moved(example: Example) -> Iterator[Sign]:
    seen = example.ranking.seen
    for component, deviations in seen.own.items():
        if not is_pseudo(component):
            yield from (_sign(d, component, None) for d in deviations if abs(d.z) > UNUSUAL)
    for (caller, callee), deviations in seen.edges.items():
        yield from (_sign(d, callee, caller) for d in deviations if abs(d.z) > UNUSUAL)


def _sign(d: Deviation, component: str, peer: str | None) -> Sign:
    modality = _modality(d, peer)
    name = f"{d.series.side} {d.series.metric}" if peer and d.series.side else d.series.metric
    failed = modality == TRACE and d.series.kind in (MetricKind.ERRORS, MetricKind.AVAILABILITY)
    return Sign(component, modality, name, UP if d.z > 0 else DOWN, peer, d.series.kind, failed)


def _modality(d: Deviation, peer: str | None) -> str:
    return TRACE if peer else LOG if d.series.kind in _LINES else METRIC


__all__ = ["DOWN", "LOG", "METRIC", "TRACE", "UP", "Sign", "alerts_near", "observed", "signs_of"]
