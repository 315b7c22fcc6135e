"""What a scrape of all exporters shows of a run: raw counters and gauges, with gaps, restarts and silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.simulator.counting import Chance
from hypocenter.simulator.exporters import (
    Block,
    View,
    caches,
    calls,
    containers,
    databases,
    hosts,
    pools,
    queues,
    services,
)
from hypocenter.simulator.load import stream
from hypocenter.telemetry import RawTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import ChangeEvent
    from hypocenter.simulator.record import Record
    from hypocenter.simulator.scenario import Scenario
    from hypocenter.simulator.system import Bools, Floats, System
    from hypocenter.telemetry import Times

EXPORTERS = (services, databases, caches, queues, pools, containers, calls, hosts)


def metrics(scenario: Scenario, system: System, record: Record, changes: Sequence[ChangeEvent]) -> RawTable:
    """Return all series as they would have been scraped; `changes` are the deploys that restart processes."""
    view = View(
        scenario, system, record, Chance(scenario.seed, scenario.step), _restarts(scenario, system, record, changes)
    )
    answers = _answers(view)
    blocks = [_seen(block, answers) for exporter in EXPORTERS for block in exporter(view) if block.labels]
    blocks.append(_up(view, answers["app"]))
    return RawTable(
        labels=tuple(labels for block in blocks for labels in block.labels),
        times=_times(scenario),
        values=np.concatenate([block.values for block in blocks], axis=1),
    )


def _times(scenario: Scenario) -> Times:
    start = np.datetime64(scenario.start.replace(tzinfo=None), "ns")
    ends = np.arange(1, scenario.steps + 1) * round(scenario.step * 1e9)
    return start + ends.astype("timedelta64[ns]")


def _restarts(scenario: Scenario, system: System, record: Record, changes: Sequence[ChangeEvent]) -> Bools:
    restarts = np.diff(record.restarts, axis=0, prepend=0.0) > 0
    for change in changes:
        if change.type == "deploy":
            at = int((change.at - scenario.start).total_seconds() // scenario.step)
            restarts[at, system.number(change.component)] = True
    return restarts


def _answers(view: View) -> dict[str, Floats]:
    """Return per kind of exporter how each scrape of a component went: 1 answered, 0 failed, NaN not tried."""
    scenario, record = view.scenario, view.record
    tried = np.ones(record.up.shape, dtype=bool)
    for gap in scenario.gaps:
        first, last = (int(at // scenario.step) for at in (gap.at, gap.at + gap.length))
        tried[first:last, view.system.number(gap.component)] = False
    tried[:, [view.system.number(name) for name in scenario.silent]] = False
    missed = stream(scenario.seed, "missed scrapes").random((2, *record.up.shape)) < scenario.telemetry.missed
    alive = record.up > 0
    return {
        "app": np.where(tried, alive & (record.unwatched == 0) & ~missed[0], np.nan),
        "container": np.where(tried, alive & ~missed[1], np.nan),
        "cluster": np.where(tried, 1.0, np.nan),
    }


def _seen(block: Block, answers: dict[str, Floats]) -> Block:
    if block.exporter == "":
        return block
    found = answers[block.exporter][:, block.source] == 1
    return Block(block.labels, np.where(found, block.values, np.nan), block.source, block.exporter)


def _up(view: View, answers: Floats) -> Block:
    numbers = view.scraped()
    names = view.system.components.names
    labels = [
        {"__name__": "up", "instance": f"{names[i]}:9100", "job": view.scenario.system, "service": names[i]}
        for i in numbers
    ]
    return Block(labels, answers[:, numbers], numbers, "app")
