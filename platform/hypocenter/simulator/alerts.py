"""Alert rules that somebody might have written for the system: symptoms at services, static thresholds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import Alert, ComponentType, Target

if TYPE_CHECKING:
    from hypocenter.simulator.record import Record
    from hypocenter.simulator.scenario import Scenario
    from hypocenter.simulator.system import Bools, Floats, System

FOR = 120.0
ERRORS = 0.05
SLOWER = 4.0
FULL = 0.9
BACKLOG = 1000.0


def alerts(scenario: Scenario, system: System, record: Record) -> tuple[Alert, ...]:
    """Return the alerts that fire, in order of time: each rule once per episode."""
    services = system.components.of_type(ComponentType.SERVICE)
    usual = np.median(record.response[: max(8, scenario.steps // 2)], axis=0)
    rules = (
        ("HighErrorRate", "critical", record.failing > ERRORS, "more than 5 % of requests fail", services),
        (
            "HighLatency",
            "warning",
            record.response > SLOWER * usual + 0.05,
            "requests take over 4 times as long",
            services,
        ),
        ("VolumeAlmostFull", "warning", record.fill > FULL, "volume over 90 % full", np.arange(len(usual))),
        ("QueueBacklog", "warning", record.depth > BACKLOG, "over 1000 messages wait", np.arange(len(usual))),
    )
    fired = [
        Alert(system.components.names[i], name, scenario.start + timedelta(seconds=at), severity=severity, summary=text)
        for name, severity, holds, text, numbers in rules
        for i in numbers
        for at in _fires(holds[:, i], scenario.step)
    ]
    return tuple(sorted(fired, key=lambda alert: (str(alert.at), alert.component, alert.name)))


def target(scenario: Scenario, fired: tuple[Alert, ...]) -> tuple[Target | None, datetime | None]:
    """Return the symptom that users feel: the first alert of an entry service, else the busiest entry itself."""
    if not scenario.loads:
        return None, None
    entries = {load.entry for load in scenario.loads}
    felt = [alert for alert in fired if alert.component in entries and alert.name.startswith("High")]
    if not felt:
        return Target(max(scenario.loads, key=lambda load: load.rate).entry), None
    kind = "errors" if felt[0].name == "HighErrorRate" else "latency"
    return Target(felt[0].component, kind), felt[0].at


def _fires(holds: Bools, step: float) -> Floats:
    """Return the seconds at which a condition has held for `FOR`, once per episode."""
    needed = max(1, round(FOR / step))
    run = np.zeros(len(holds), dtype=np.int64)
    for i, held in enumerate(holds):
        run[i] = run[i - 1] + 1 if held and i else int(held)
    return np.multiply(np.flatnonzero(run == needed), step, dtype=np.float64)
