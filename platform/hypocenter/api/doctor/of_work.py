"""Whether what is due is done: beat, shards, what was given up, what is read and what is told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.api.doctor.findings import Finding
from hypocenter.api.pulling import interval_s
from hypocenter.api.work_state import Overseen, work_state
from hypocenter.notify.messages import untold
from hypocenter.notify.webhook import webhook_of_settings
from hypocenter.rhythm import rhythm_of_settings
from hypocenter.tenant_settings import of_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.api.doctor.examined import Examined

LAGGING, PULL_STALE, UNTOLD = timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=5)
DAY = timedelta(days=1)
_PULL_UP, _PULLED = "hypocenter_pull_up", "hypocenter_pull_last_success_timestamp_seconds"


def detection_goes_on(examined: Examined) -> Iterator[Finding]:
    """Yield what is wrong with continuous detection, where the server that does it runs."""
    if examined.stores is None:
        return
    stores, rhythm = examined.stores, rhythm_of_settings()
    state = work_state(Overseen(stores.records, stores.board, rhythm, stores.board.now))
    if examined.is_running and not state.has_beat:
        seen = (
            "none was ever seen" if state.beat_seen is None else f"it was last seen at {state.beat_seen:%H:%M:%S} UTC"
        )
        yield Finding("beat-gone", "beat", seen)
    lagging = {shard: lag for shard, lag in state.lags.items() if lag > LAGGING}
    if examined.is_running and lagging:
        most = max(lagging.values()).total_seconds()
        yield Finding(
            "shards-lagging", "shards", f"{len(lagging)} of {rhythm.shards} shards are up to {most:.0f} s behind"
        )
    if state.dead_letters:
        newest = state.letters[0]
        said = f"{state.dead_letters} tasks were given up; the last was {newest.task} ({newest.error[:120]})"
        yield Finding("dead-letters", "tasks", said)


def pull_goes_on(examined: Examined) -> Iterator[Finding]:
    """Yield that the server that is read by itself was not read lately."""
    up, last = examined.number(_PULL_UP), examined.number(_PULLED)
    longest = PULL_STALE.total_seconds() + of_tenant(examined.places.tenant, interval_s)
    if up is None or (up and last is None):
        return
    if last is None:
        yield Finding("pull-stale", "pull", "no reading went well so far")
    elif examined.now().timestamp() - last > longest:
        yield Finding(
            "pull-stale", "pull", f"the last reading that went well was {examined.now().timestamp() - last:.0f} s ago"
        )


def webhook_was_told(examined: Examined) -> Iterator[Finding]:
    """Yield that there are incidents of which the webhook does not know."""
    if examined.stores is None or of_tenant(examined.places.tenant, webhook_of_settings) is None:
        return
    store, now = examined.stores.records.incidents, examined.now()
    late = [
        each.incident_id
        for each in store.incidents(since=now - DAY)
        if now - DAY < each.updated_at < now - UNTOLD and untold(store, each.incident_id)
    ]
    if late:
        yield Finding("webhook-failed", "webhook", f"it was not told of {len(late)} incidents, such as {late[0]}")
