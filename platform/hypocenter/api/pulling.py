"""From settings to a pull: which server, which of its series, how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.api.pull import Pull, PullPlan
from hypocenter.api.pull_marks import Marks
from hypocenter.errors import InputError
from hypocenter.readers.prometheus_access import place_of
from hypocenter.readers.prometheus_options import DEFAULT_MATCH, access_from_settings
from hypocenter.readers.selectors import parse_selectors
from hypocenter.stores.opening_metrics import metrics_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypocenter.api.intake import Intake


def new_pull(
    intake: Intake, data_dir: Path, metrics: str | None = None, url: str | None = None, match: Sequence[str] = ()
) -> Pull | None:
    """Return the pull that the settings tell of, not started yet; None where they name no server.

    `url` and `match` are what was typed, and go before the settings. `metrics` is the server that keeps the metrics,
    where it is not as the setting says. Of that server no sample needs to be copied: only the alerts that its rules
    fire are read. Raises InputError for a setting that cannot be.
    """
    named, keeper = url or settings.read("pull_url"), metrics_url(metrics)
    source = str(named) if named else keeper
    if source is None:
        return None
    place = place_of(source)
    plan = PullPlan(
        source,
        _selectors(match),
        access_from_settings("pull" if named else "metrics"),
        _interval(),
        copies=keeper is None or place_of(keeper) != place,
    )
    return Pull(plan, intake, Marks(data_dir, place))


def _selectors(match: Sequence[str]) -> tuple[str, ...]:
    text = " ".join(match) or settings.read("pull_match")
    return tuple(str(each) for each in parse_selectors(str(text))) if text else DEFAULT_MATCH


def _interval() -> float:
    seconds = float(settings.read("pull_interval") or 0)
    if not 1 <= seconds <= 86_400:
        raise InputError(f"HYPOCENTER_PULL_INTERVAL={seconds:g}: write seconds, from 1 to 86400")
    return seconds
