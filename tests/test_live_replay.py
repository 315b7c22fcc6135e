"""A simulated day through the live path names what the offline path names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import live_day
from hypothesis import settings

from hypocenter_workers.learn.serving import chosen

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

START = datetime(2026, 3, 3, tzinfo=UTC)
SMALL = ("error_burst",)
NO_FAULTS = ("calm", "shop")


def test_the_live_path_names_what_the_offline_path_names(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    folder = pytestconfig.rootpath / "fixtures" / "scenarios"
    is_long = settings.get_current_profile_name() == "soak"
    every = sorted(path for path in folder.glob("*.scenario") if path.stem not in NO_FAULTS)
    wanted = every if is_long else [folder / f"{name}.scenario" for name in SMALL]
    day = live_day.replayed(tmp_path, live_day.day_of(wanted, START), chosen())
    others = [(each.fault.type, each.live and live_day.first(each.live)) for each in day.faults if not each.same]
    assert others == []
