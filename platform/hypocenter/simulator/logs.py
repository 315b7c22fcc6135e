"""Log lines of a run: business lines, that go missing when requests fail, and what processes say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import ComponentType
from hypocenter.simulator.load import stream
from hypocenter.simulator.spans import window

if TYPE_CHECKING:
    import pandas as pd

    from hypocenter.simulator.record import Record
    from hypocenter.simulator.scenario import Scenario
    from hypocenter.simulator.system import Floats, System


@dataclass(frozen=True)
class Template:
    """A kind of line: how often it is written (lines/s per step) and its text with places for `{id}` and `{ms}`."""

    severity: str
    text: str
    rate: Floats


def log_lines(scenario: Scenario, system: System, record: Record) -> pd.DataFrame:
    """Return `time, service, severity, message` in order of time, from the window around the first fault."""
    import pandas as pd

    rows = [
        row
        for i, name in enumerate(system.components.names)
        if system.components.types[i] is not ComponentType.EXTERNAL and name not in scenario.silent
        for row in _of_component(scenario, system, record, i)
    ]
    rows.sort()
    start = np.datetime64(scenario.start.replace(tzinfo=None), "ns")
    seconds = np.array([row[0] for row in rows], dtype=np.float64)
    times = start + (seconds * 1e3).astype("timedelta64[ms]")
    columns = {
        name: np.array([row[j] for row in rows], dtype=object)
        for j, name in ((1, "service"), (2, "severity"), (3, "message"))
    }
    return pd.DataFrame({"time": pd.DatetimeIndex(times, tz="UTC"), **columns})


def _of_component(scenario: Scenario, system: System, record: Record, i: int) -> list[tuple[float, str, str, str]]:
    name, first, last = system.components.names[i], *window(scenario)
    random = stream(scenario.seed, "log lines", name)
    steps = np.arange(int(first // scenario.step), int(last // scenario.step))
    rows = []
    for template in _templates(scenario, system, record, i):
        counts = random.poisson(np.minimum(template.rate[steps], scenario.telemetry.lines) * scenario.step)
        within = np.repeat(steps, counts)
        times = (within + random.random(len(within))) * scenario.step
        ids = random.integers(100_000, 1_000_000, len(within))
        took = np.maximum(1, record.response[within, i] * 1000 * random.lognormal(0, 0.3, len(within))).astype(int)
        rows += [
            (float(at), name, template.severity, template.text.replace("{id}", str(number)).replace("{ms}", str(ms)))
            for at, number, ms in zip(times, ids, took, strict=True)
        ]
    return rows + _starts(scenario, record, name, i)


def _templates(scenario: Scenario, system: System, record: Record, i: int) -> list[Template]:
    name, type_ = system.components.names[i], system.components.types[i]
    usual = max(float(np.median(record.served[:, i])), 1e-9)
    kept = min(1.0, scenario.telemetry.lines * 0.5 / usual) * record.served[:, i]
    fails = kept * record.own_errors[:, i]
    slow = kept * (record.response[:, i] > 0.5 + 5 * np.median(record.response[:, i]))
    if type_ is not ComponentType.SERVICE:
        return [
            Template("INFO", "checkpoint complete: {id} buffers written in {ms} ms", np.full(len(kept), 1 / 60)),
            Template("WARN", "slow operation took {ms} ms statement={id}", slow),
            Template("ERROR", "operation {id} failed", fails),
        ]
    handled = kept * (1 - record.failing[:, i])
    lines = [
        Template("INFO", name + ": request {id} received", kept),
        Template("INFO", name + ": request {id} completed in {ms} ms", handled),
        Template("ERROR", name + ": unhandled exception in request {id}", fails),
    ]
    for edge in np.flatnonzero(system.calls.caller == i):
        callee = system.components.names[system.calls.callee[edge]]
        level = "WARN" if system.calls.optional[edge] else "ERROR"
        lost = kept * np.minimum(record.often[:, edge], 1.0) * record.failed[:, edge] ** record.tries[:, edge]
        text = f"{name}: call to {callee} failed for request " + "{id} after {ms} ms"
        lines.append(Template(level, text, lost))
    return lines


def _starts(scenario: Scenario, record: Record, name: str, i: int) -> list[tuple[float, str, str, str]]:
    first, last = window(scenario)
    times = np.flatnonzero(np.diff(record.restarts[:, i], prepend=0.0) > 0) * scenario.step
    return [(float(at), name, "INFO", f"{name}: process started") for at in times if first <= at < last]
