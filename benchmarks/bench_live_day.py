"""A day with a fault of every kind, and calm days, lived through: what is noticed, how soon, and how often it rings."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import live_day
import results

from hypocenter.simulator import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from live_day import Compared, Lived
    from pager import Rung

    from hypocenter.simulator import Scenario
    from hypocenter.simulator.simulation import Simulation

SCENARIOS = Path(__file__).parents[1] / "fixtures" / "scenarios"
NO_FAULTS = ("calm", "shop")
START = datetime(2026, 3, 3, tzinfo=UTC)
CALM_DAYS = 2
YES, NO = "yes", "no"
NOTE = (
    "A simulated shop of 20 components and 879 series, seen for two days before. Its telemetry is sent by remote "
    "write, alerts and changes beside it, to the application of `hypocenter serve`; beat and Celery's workers run in "
    "the embedded mode; only the clock is moved. One fault of each scenario, 20 min long, every 70 min. Detected: from "
    "the beginning of the fault to the webhook that an incident opened, on a clock that moves by 15 and 45 s; verdict: "
    "to the verdict that names first what the last one does. Same: the last verdict before the next fault names the "
    "same component first and the same causes as `hypocenter investigate --at` the true beginning does on the same "
    "time of telemetry, where nothing is learned from the other faults; right: the component that broke is first, of "
    "all faults; named: as a cause. Messages: all that the webhook was sent because of it. The calm days have a "
    "restless service and a deploy each, and metrics every minute."
)
COLUMNS = (
    "table", "what", "component", "detected, min", "verdict, min", "same", "right", "named", "offline right",
    "incidents", "messages",
)  # fmt: skip
MINUTES, ANSWERS = COLUMNS[3:5], COLUMNS[5:9]


def main() -> None:
    """Live through the day and the calm days, and keep what came of them."""
    results.keep("live_day", [*_day(), *_calm()], note=NOTE)


def _day() -> list[results.Row]:
    every = sorted(path for path in SCENARIOS.glob("*.scenario") if path.stem not in NO_FAULTS)
    simulation, day = _lived(live_day.day_of(every, START, live_day.LONG_S))
    found = live_day.compared(simulation, day, live_day.graph_of(simulation))
    rows = [_fault_row(each, day) for each in found]
    return [*rows, _summary(rows, day)]


def _calm() -> list[results.Row]:
    """Return what rang on each calm day."""
    simulation, calm = _lived(live_day.calm_of(SCENARIOS / "calm.scenario", START, CALM_DAYS))
    first = simulation.scenario.start + timedelta(seconds=live_day.LONG_S)
    days = [first + timedelta(days=number) for number in range(CALM_DAYS)]
    return [_calm_row(f"day {number}", _within(calm, day)) for number, day in enumerate(days, start=1)]


def _lived(scenario: Scenario) -> tuple[Simulation, Lived]:
    print(f"{scenario.length / 3600:.0f} h with {len(scenario.faults)} faults", file=sys.stderr)
    simulation = live_day.thinned(simulate(scenario), live_day.LONG_S)
    with tempfile.TemporaryDirectory() as folder:
        return simulation, live_day.lived(Path(folder), simulation, live_day.LONG_S)


def _within(calm: Lived, day: datetime) -> list[Rung]:
    return [each for each in calm.rung if day <= each.at < day + timedelta(days=1)]


def _row(**cells: results.Cell) -> results.Row:
    return {name: cells.get(name) for name in COLUMNS}


def _fault_row(found: Compared, day: Lived) -> results.Row:
    ids = {each.incident_id for each in found.opened}
    rung = [each for each in day.rung if each.incident_id in ids and found.began <= each.at < found.until]
    root, live = found.fault.component, found.live
    cells: dict[str, results.Cell] = {"what": found.fault.type, "component": root}
    cells |= {
        "detected, min": _minutes(found, found.opened[0].at if found.opened else None),
        "verdict, min": _minutes(found, found.named_at),
        "same": _yes(found.same),
        "right": _yes(live is not None and live_day.first(live) == root),
        "named": _yes(live is not None and root in live.causes),
        "offline right": _yes(live_day.first(found.offline) == root),
    }
    return _row(table="a day with faults", **cells, incidents=len(ids), messages=len(rung))


def _minutes(found: Compared, at: datetime | None) -> float | None:
    return None if at is None else (at - found.began).total_seconds() / 60


def _yes(answer: bool) -> str:
    return YES if answer else NO


def _summary(rows: Sequence[results.Row], day: Lived) -> results.Row:
    """Return the day as a whole: medians of times, counts of the rest."""
    times: dict[str, results.Cell] = {
        name: median(float(row[name]) for row in rows if row[name] is not None) for name in MINUTES
    }
    counts = {name: f"{sum(row[name] == YES for row in rows)} of {len(rows)}" for name in ANSWERS}
    opened = len(live_day.openings(day))
    return _row(table="a day with faults", what="all", **times, **counts, incidents=opened, messages=len(day.rung))


def _calm_row(name: str, rung: Sequence[Rung]) -> results.Row:
    opened = sum(each.about == live_day.OPENED for each in rung)
    return _row(table="calm days", what=name, incidents=opened, messages=len(rung))


if __name__ == "__main__":
    main()
