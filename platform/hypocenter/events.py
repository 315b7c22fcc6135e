"""What a request brings to the records: alerts and changes, each with who told of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.model import Alert, ChangeEvent

# Samples have their times in whole milliseconds, cut off.
SEEN_WITHIN = timedelta(milliseconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who told of something: `key` names it for good among all that is told; what was said twice has one key.

    `source` is the shape in which it came, `reference` where to read on, `labels` are all that came with it. `since` is
    told by who saw an alert fire and not begin to: the earliest that it can have begun.
    """

    key: str
    source: str = ""
    reference: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert with its life: `alert.at` is when it began and never None.

    `ends_at` is when it ended where it is `resolved`; else until when it fires unless it is told of again, None for
    until further notice.
    """

    alert: Alert
    origin: Origin
    ends_at: datetime | None = None
    resolved: bool = False

    @property
    def starts_at(self) -> datetime:
        """When it began."""
        assert self.alert.at is not None
        return self.alert.at


@dataclass(frozen=True, slots=True)
class KeptChange:
    """A change and who told of it."""

    change: ChangeEvent
    origin: Origin


def joined(one: KeptAlert, other: KeptAlert) -> KeptAlert:
    """Return what two messages of one alert say together, the same in whatever order and however often they come.

    It began at the earlier of both times, and is described as it was then, with the other's summary where it had none.
    A resolved one stays so, with the later end.
    """
    first, last = sorted((one, other), key=lambda each: each.starts_at)
    alert = replace(first.alert, summary=first.alert.summary or last.alert.summary)
    ending = max(one, other, key=lambda each: (each.resolved, each.ends_at or _NEVER))
    return replace(first, alert=alert, ends_at=ending.ends_at, resolved=ending.resolved)


def came_both_ways(one: KeptAlert, other: KeptAlert) -> bool:
    """Whether one of two was seen firing, the other told of as it began, and they are the same alert.

    Between the time since when it was active and the first time at which it was seen firing an alert begins once.
    """
    seen, told = (one, other) if other.origin.since is None else (other, one)
    if seen.origin.since is None or told.origin.since is not None or seen.origin.labels != told.origin.labels:
        return False
    return seen.origin.since <= told.starts_at <= seen.starts_at + SEEN_WITHIN


@dataclass(frozen=True, slots=True)
class Told:
    """What one request told of; `left_out` are reasons why some of it is not among that.

    `invalid` are what was wrong with some of it, of which the protocol tells by an error though the rest is kept.
    """

    alerts: tuple[KeptAlert, ...] = ()
    changes: tuple[KeptChange, ...] = ()
    left_out: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
