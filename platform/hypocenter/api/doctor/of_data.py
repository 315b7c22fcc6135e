"""Whether what is kept can be used: samples of now, series with a component, components with neighbours, room."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.api.doctor.findings import Finding
from hypocenter.readers.prometheus_options import DEFAULT_MATCH_OF_KEPT
from hypocenter.readers.selectors import parse_selector
from hypocenter.rhythm import rhythm_of_settings
from hypocenter.signals.edges import CALLEE_LABELS, CALLER_LABELS
from hypocenter.stores.retention import limits_of_settings
from hypocenter_graph.stores.contract import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypocenter.api.doctor.examined import Examined
    from hypocenter.batches import Labels

AHEAD, STALE, LOOKBACK = timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=1)
LOW_SHARE = 0.1
EXAMPLES = 3


def samples_are_of_now(examined: Examined) -> Iterator[Finding]:
    """Yield that the newest sample lies in the future, or long ago."""
    if examined.stores is None:
        return
    newest = examined.stores.metrics.usage().newest_ms
    if newest is None:
        yield Finding("no-samples", "metrics", "no sample was ever taken")
        return
    ahead = timedelta(milliseconds=newest) - timedelta(seconds=examined.now().timestamp())
    if ahead > AHEAD:
        yield Finding("samples-ahead", "metrics", f"the newest sample is {ahead.total_seconds():.0f} s in the future")
    if -ahead > STALE and examined.is_running:
        yield Finding("samples-stale", "metrics", f"the newest sample is {-ahead.total_seconds():.0f} s old")


def series_have_components(examined: Examined) -> Iterator[Finding]:
    """Yield that some series of the last hour of samples name no component and no call, with examples and labels."""
    if examined.stores is None:
        return
    metrics = examined.stores.metrics
    newest = metrics.usage().newest_ms
    if newest is None:
        return
    match = [parse_selector(each) for each in DEFAULT_MATCH_OF_KEPT]
    found = metrics.series(match, newest - LOOKBACK // timedelta(milliseconds=1), newest)
    alone = [each.labels for each in found if not each.component and not _is_of_a_call(each.labels)]
    if alone:
        said = f"{len(alone)} of {len(found)} series name no component, such as {'; '.join(_examples(alone))}"
        yield Finding("series-unattributed", "metrics", said)


def _is_of_a_call(labels: Labels) -> bool:
    named = {name for name, _ in labels}
    return not (named.isdisjoint(CALLER_LABELS) or named.isdisjoint(CALLEE_LABELS))


def _examples(many: Sequence[Labels]) -> list[str]:
    by_name = {dict(labels).get("__name__", ""): labels for labels in reversed(many)}
    return [_told(by_name[name]) for name in sorted(by_name)[:EXAMPLES]]


def _told(labels: Labels) -> str:
    named = dict(labels)
    name = named.pop("__name__", "")
    others = ", ".join(sorted(named))
    return f"{name[:80]} ({f'has only the labels {others}' if others else 'has no label'})"[:240]


def components_have_neighbours(examined: Examined) -> Iterator[Finding]:
    """Yield that components have no dependency, so that no path leads to or from them."""
    if examined.stores is None:
        return
    claims = examined.stores.graph.claims(view=View(examined.now()))
    joined = {name for each in claims.dependencies for name in (each.caller, each.callee)}
    alone = sorted({each.name for each in claims.components} - joined)
    if alone:
        shown = ", ".join(alone[:EXAMPLES])
        yield Finding("components-alone", "graph", f"{len(alone)} components have no dependency, such as {shown}")


def disk_has_room(examined: Examined) -> Iterator[Finding]:
    """Yield that the disk is full, or nearly."""
    folder = examined.places.data_dir
    full = examined.stores.metrics.usage().full if examined.stores is not None else ""
    if full:
        yield Finding("disk-full", str(folder), full)
    elif folder.is_dir():
        disk = shutil.disk_usage(folder)
        if disk.free < LOW_SHARE * disk.total:
            yield Finding("disk-low", str(folder), f"{disk.free:,} of {disk.total:,} bytes are free")


def retention_covers_learning(_: Examined) -> Iterator[Finding]:
    """Yield that samples go before detectors have learned from them."""
    kept, learned = timedelta(days=limits_of_settings().retention_days), rhythm_of_settings().learn
    if kept <= learned:
        said = f"metrics are kept for {kept.days} days, and detectors learn from the last {learned.days}"
        yield Finding("retention-short", "HYPOCENTER_RETENTION_DAYS", said)
