"""A simulated day through the live path, from remote write to webhook, says what the offline path says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import live_day
from hypothesis import settings

from hypocenter.simulator import simulate

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

START = datetime(2026, 3, 3, tzinfo=UTC)
FEW = ("error_burst", "cache_outage", "noisy_neighbour")
NO_FAULTS = ("calm", "shop")


def test_the_live_path_says_what_the_offline_path_says(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    folder = pytestconfig.rootpath / "fixtures" / "scenarios"
    is_long = settings.get_current_profile_name() == "soak"
    every = sorted(path for path in folder.glob("*.scenario") if path.stem not in NO_FAULTS)
    wanted = every if is_long else [folder / f"{name}.scenario" for name in FEW]
    warm_s, apart_s = (live_day.LONG_S, live_day.APART_S) if is_long else (live_day.WARM_S, 45 * 60.0)
    simulation = live_day.thinned(simulate(live_day.day_of(wanted, START, warm_s, apart_s)), warm_s)
    day = live_day.lived(tmp_path, simulation, warm_s)
    found = live_day.compared(simulation, day, live_day.graph_of(simulation))
    assert [(each.fault.type, each.live and live_day.says(each.live)) for each in found if not each.same] == []
    assert day.dead_letters == 0
    assert len({each.key for each in day.rung}) == len(day.rung)
