"""A history that is kept in memory, for as long as the process lives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypocenter.history.past_incident import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hypocenter.history.past_incident import PastIncident

    Versions = dict[tuple[str, str], list[PastIncident]]

_NEVER = datetime.min.replace(tzinfo=UTC)


class MemoryHistory:
    """The HistoryStore of one tenant as a dictionary: every version of each incident, the current one last."""

    def __init__(self) -> None:
        self._versions: Versions = {}

    def save_incidents(self, incidents: Iterable[PastIncident], *, dry_run: bool = False) -> Counts:
        """Save all of `incidents`, or none when iterating raises; `dry_run` counts and saves none."""
        last = {(each.source, each.key): each for each in incidents}
        new = {name for name in last if name not in self._versions}
        changed = {name for name in last if name not in new and self._versions[name][-1] != last[name]}
        if not dry_run:
            for name in (*sorted(new), *sorted(changed)):
                self._versions.setdefault(name, []).append(last[name])
        return Counts(len(new), len(changed), len(last) - len(new) - len(changed))

    def incidents(self) -> Iterator[PastIncident]:
        """Yield the current version of every incident, by `started_at` (None first), then `source` and `key`."""
        current = [versions[-1] for versions in self._versions.values()]
        yield from sorted(current, key=lambda each: (each.started_at or _NEVER, each.source, each.key))

    def older_versions(self, source: str, key: str) -> Sequence[PastIncident]:
        """Return what was current before, oldest first; () for an incident that never changed or is not kept."""
        return tuple(self._versions.get((source, key), ())[:-1])
