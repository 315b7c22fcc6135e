"""From settings to a pull: which server, which of its series, how often."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.api.pull import Pull, PullPlan
from hypocenter.api.pull_marks import Marks
from hypocenter.errors import InputError
from hypocenter.readers.prometheus_access import place_of
from hypocenter.readers.prometheus_options import DEFAULT_MATCH, access_from_settings
from hypocenter.readers.selectors import parse_selectors
from hypocenter.stores.opening_metrics import metrics_url
from hypocenter.stores.owner import Alone, owner_of
from hypocenter.tenant_settings import of_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hypocenter.api.intake import Intake


def new_pull(
    intake: Intake,
    data_dir: Path,
    metrics: str | None = None,
    url: str | None = None,
    match: Sequence[str] = (),
    tenant: str | None = None,
) -> Pull | None:
    """Return the pull that the settings of a tenant tell of, not started yet; None where they name no server.

    `url` and `match` are what was typed, and go before the settings. `metrics` is the server that keeps the metrics,
    where it is not as the setting says. Of that server no sample needs to be copied: only the alerts that its rules
    fire are read, those of the tenant. Raises InputError for a setting that cannot be.
    """
    plan = of_tenant(tenant, partial(_plan, metrics, url, match, tenant))
    return None if plan is None else Pull(plan, intake, Marks(data_dir, place_of(plan.url)))


def _plan(
    metrics: str | None, url: str | None, match: Sequence[str], tenant: str | None, environ: Mapping[str, str]
) -> PullPlan | None:
    named, keeper = url or settings.read("pull_url", environ), metrics_url(metrics)
    source = str(named) if named else keeper
    if source is None:
        return None
    copies = keeper is None or place_of(keeper) != place_of(source)
    return PullPlan(
        source,
        _selectors(match, environ),
        access_from_settings("pull" if named else "metrics", environ),
        interval_s(environ),
        copies=copies,
        owner=Alone() if copies else owner_of(tenant),
    )


def _selectors(match: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    text = " ".join(match) or settings.read("pull_match", environ)
    return tuple(str(each) for each in parse_selectors(str(text))) if text else DEFAULT_MATCH


def interval_s(environ: Mapping[str, str]) -> float:
    """Return the seconds from one reading to the next; raises InputError for what cannot be."""
    seconds = float(settings.read("pull_interval", environ) or 0)
    if not 1 <= seconds <= 86_400:
        raise InputError(f"HYPOCENTER_PULL_INTERVAL={seconds:g}: write seconds, from 1 to 86400")
    return seconds
