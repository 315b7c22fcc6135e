"""Sampled traces of a run: a server span per request served and a client span per attempt at a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.model import ComponentType
from hypocenter.simulator.load import stream
from hypocenter.simulator.queueing import lognormal

if TYPE_CHECKING:
    import pandas as pd

    from hypocenter.simulator.record import Record
    from hypocenter.simulator.scenario import Scenario
    from hypocenter.simulator.system import Bools, Floats, Ints, System

AFTER = 900.0
MOST_SPANS = 300_000


@dataclass(frozen=True)
class Batch:
    """Spans of one service and operation: `start` and `took` in seconds since the run's start."""

    trace: Ints
    span: Ints
    parent: Ints
    start: Floats
    took: Floats
    error: Bools
    service: str
    operation: str


@dataclass
class Tracer:
    """Walks the call graph with many requests at once, each meeting chances of its own; collects `batches`."""

    scenario: Scenario
    system: System
    record: Record
    random: np.random.Generator
    batches: list[Batch] = field(default_factory=list)
    spans: int = 0

    def serve(self, component: int, trace: Ints, parent: Ints, start: Floats) -> tuple[Floats, Bools]:
        """Serve one request per entry of `trace`; return the seconds each took and whether it failed."""
        record, steps = self.record, self._steps(start)
        span = self._numbers(len(trace))
        spread = self.system.components.spread[component]
        took = self._draw(record.own[steps, component], spread)
        failed = self.random.random(len(trace)) < record.own_errors[steps, component]
        for edge in np.flatnonzero(self.system.calls.caller == component):
            self._calls(int(edge), trace, span, start, took, failed)
        name = self.system.components.names[component]
        instrumented = self.system.components.types[component] is ComponentType.SERVICE
        if instrumented:
            self.batches.append(Batch(trace, span, parent, start, took, failed, name, f"{name}/handle"))
        return took, failed

    def _calls(self, edge: int, trace: Ints, parent: Ints, start: Floats, took: Floats, failed: Bools) -> None:
        """Let the requests make this call as often as they do; adds to `took` and `failed` in place."""
        often = self.record.often[self._steps(start), edge]
        times = np.floor(often + self.random.random(len(trace))) * ~failed
        for repeat in range(int(times.max(initial=0))):
            asks = np.flatnonzero(times > repeat)
            if self.spans > MOST_SPANS:
                return
            spent, lost = self._attempts(edge, trace[asks], parent[asks], start[asks] + took[asks])
            took[asks] += spent
            failed[asks] |= lost & ~self.system.calls.optional[edge]

    def _attempts(self, edge: int, trace: Ints, parent: Ints, start: Floats) -> tuple[Floats, Bools]:
        """Try a call until it succeeds or its retries are used up; return seconds spent and whether it never did."""
        spent, lost = np.zeros(len(trace)), np.ones(len(trace), dtype=bool)
        tries = self.record.tries[self._steps(start), edge]
        for attempt in range(int(tries.max(initial=0))):
            again = np.flatnonzero(lost & (tries > attempt))
            if not len(again):
                break
            took, failed = self._attempt(edge, trace[again], parent[again], start[again] + spent[again])
            spent[again] += took + (self.system.calls.backoff[edge] if attempt else 0.0)
            lost[again] = failed
        return spent, lost

    def _attempt(self, edge: int, trace: Ints, parent: Ints, start: Floats) -> tuple[Floats, Bools]:
        calls, record, steps = self.system.calls, self.record, self._steps(start)
        span = self._numbers(len(trace))
        network = self._draw(record.network[steps, edge], 0.3)
        answered = np.flatnonzero(self.random.random(len(trace)) >= record.cut[steps, edge])
        took, failed = np.full(len(trace), np.inf), np.ones(len(trace), dtype=bool)
        server, broken = self.serve(
            int(calls.callee[edge]), trace[answered], span[answered], (start + network / 2)[answered]
        )
        took[answered], failed[answered] = server + network[answered], broken
        patience = record.patience[steps, edge]
        failed |= took > patience
        took = np.minimum(took, patience)
        names = self.system.components.names
        operation = f"call {names[calls.callee[edge]]}"
        self.batches.append(Batch(trace, span, parent, start, took, failed, names[calls.caller[edge]], operation))
        return took, failed

    def _steps(self, start: Floats) -> Ints:
        return np.minimum(start / self.scenario.step, len(self.record.up) - 1).astype(np.int64)

    def _numbers(self, count: int) -> Ints:
        self.spans += count
        return np.arange(self.spans - count, self.spans)

    def _draw(self, mean: Floats, spread: float) -> Floats:
        mean = np.maximum(mean, 1e-5)
        location, scale = lognormal(mean, (spread * mean + 1e-7) ** 2)
        return np.exp(location + scale * self.random.standard_normal(len(mean)))


def window(scenario: Scenario) -> tuple[float, float]:
    """Return the seconds from which and until which spans and log lines are kept: around the first fault."""
    at = min((spec.at for spec in scenario.faults), default=scenario.length / 2)
    return max(0.0, at - scenario.telemetry.window), min(scenario.length, at + AFTER)


def spans(scenario: Scenario, system: System, record: Record) -> pd.DataFrame:
    """Return sampled spans: `time, trace, span, parent (-1: root), service, operation, duration_us, error`."""
    tracer = Tracer(scenario, system, record, stream(scenario.seed, "spans"))
    first, last = window(scenario)
    traces = 0
    for component, share in _roots(scenario, system, record):
        count = tracer.random.poisson(scenario.telemetry.traces * share * (last - first) / 60)
        start = np.sort(tracer.random.uniform(first, last, count))
        tracer.serve(component, np.arange(traces, traces + count), np.full(count, -1), start)
        traces += count
    return _frame(scenario, tracer.batches)


def _roots(scenario: Scenario, system: System, record: Record) -> list[tuple[int, float]]:
    """Return where traces begin, entries and consumers, and which share of all traces begins there."""
    numbers = sorted({system.number(load.entry) for load in scenario.loads} | {int(i) for i in system.consumer})
    rates = record.arrivals[:, numbers].mean(axis=0)
    return list(zip(numbers, (rates / max(rates.sum(), 1e-9)).tolist(), strict=True))


def _frame(scenario: Scenario, batches: list[Batch]) -> pd.DataFrame:
    import pandas as pd

    def column(name: str) -> Any:
        return np.concatenate([getattr(batch, name) for batch in batches] or [np.array([])])

    sizes = [len(batch.trace) for batch in batches]
    start = np.datetime64(scenario.start.replace(tzinfo=None), "ns")
    times = start + (column("start") * 1e6).astype("timedelta64[us]")
    frame = pd.DataFrame({
        "time": pd.DatetimeIndex(times, tz="UTC"),
        "trace": column("trace").astype(np.int64),
        "span": column("span").astype(np.int64),
        "parent": column("parent").astype(np.int64),
        "service": np.repeat([b.service for b in batches], sizes).astype(object),
        "operation": np.repeat([b.operation for b in batches], sizes).astype(object),
        "duration_us": np.maximum(np.round(column("took") * 1e6), 1).astype(np.int64),
        "error": column("error").astype(bool),
    })  # fmt: skip
    return frame.sort_values(["time", "span"], ignore_index=True)
