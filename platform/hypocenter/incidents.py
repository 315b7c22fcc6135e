"""The life cycle of an incident: which signs open one, which belong to one that is there, and when it is over.

Pure: the same signs, incidents and time give the same changes, in whatever order the signs come.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind
from hypocenter.stores.identity import identity_of
from hypocenter.stores.live_incidents import LiveIncident, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from hypocenter.events import KeptAlert
    from hypocenter.stores.detections import KeptAnomaly

    Near = Callable[[str], Collection[str]]

ID_LENGTH = 16
MOST_DOUBLINGS = 10
# What users feel themselves; all else, such as memory, may stay as it is and hurt nobody.
FELT = frozenset({MetricKind.ERRORS, MetricKind.AVAILABILITY, MetricKind.LATENCY, MetricKind.TRAFFIC, MetricKind.UP})


@dataclass(frozen=True, slots=True)
class Sign:
    """An anomaly or an alert: `key` names it for good, `what` the series or rule that may tell of it again and again.

    `kind` is what the series measures, such as latency or memory, and `measured` the component of which: what a caller
    sees of its calls is of the one that it calls. `ended_at` is None while it lasts.
    """

    onset: datetime
    key: str
    component: str
    what: str
    ended_at: datetime | None = None
    is_alert: bool = False
    kind: MetricKind = MetricKind.OTHER
    measured: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """When signs are one incident, and how long one lasts.

    Signs belong together when they begin within `around` of the first, none of them more than `quiet` after all before
    it had ended. One opens `settle` after its first sign, from an alert or from `least` anomalies of different series.
    It is over when nothing of it lasted for `quiet`; each time that a sign came back doubles this, up to `longest`.
    What begins after that is another incident. One that tells of nothing but what others told of that were over less
    than `longest` before is their return, and doubles the quiet that it wants, too: so what flaps opens few.
    """

    around: timedelta = timedelta(hours=1)
    settle: timedelta = timedelta(minutes=1)
    quiet: timedelta = timedelta(minutes=15)
    longest: timedelta = timedelta(hours=1)
    usual: timedelta = timedelta(days=1)
    least: int = 2


class Happened(StrEnum):
    """What became of an incident."""

    OPENED = "opened"
    GROWN = "grown"
    REOPENED = "reopened"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Change:
    """What happened, and the incident as it is after that: its next version."""

    happened: Happened
    incident: LiveIncident


def sign_of_anomaly(kept: KeptAnomaly) -> Sign:
    """Return the sign that an anomaly is; one that returned is another sign of the same series each time."""
    told, at, series = kept.anomaly, kept.anomaly.returned_at, kept.anomaly.series
    key = kept.key if at is None else f"{kept.key}@{at.isoformat()}"
    what = f"anomaly {series.name}"
    measured = series.peer if series.side == "client" and series.peer else series.component
    return Sign(at or told.onset, key, series.component, what, kept.ended_at, kind=series.kind, measured=measured)


def sign_of_alert(kept: KeptAlert, now: datetime) -> Sign:
    """Return the sign that an alert is; one that is not told of again has ended when its time was up."""
    ended_at = kept.ends_at if kept.ends_at is not None and kept.ends_at <= now else None
    what = f"alert {kept.alert.component}|{kept.alert.name}"
    return Sign(kept.starts_at, kept.origin.key, kept.alert.component, what, ended_at, is_alert=True)


def changes(
    incidents: Iterable[LiveIncident], signs: Iterable[Sign], near: Near, now: datetime, rules: Rules | None = None
) -> tuple[Change, ...]:
    """Return what became of incidents, and which opened, by onset, then id.

    `incidents` are all that may still be told of the signs: the open ones and those resolved since the first of them.
    `near` names all that a path of the graph joins to a component, itself among it.
    """
    rules = rules or Rules()
    before = sorted(incidents, key=_by_onset)
    lives = [_Life(incident, rules, returns=_returns(incident, before, rules)) for incident in before]
    left = sorted(set(signs), key=lambda sign: (sign.onset, sign.key))
    for life in lives:
        left = life.keep_known(left)
    for life in lives:
        left = life.take(left, near)
    found = [change for life in lives if (change := life.change(now)) is not None]
    found += [Change(Happened.OPENED, each) for each in _opened(left, near, now, rules)]
    return tuple(sorted(found, key=lambda each: _by_onset(each.incident)))


def _by_onset(incident: LiveIncident) -> tuple[datetime, str]:
    return incident.onset, incident.incident_id


@dataclass
class _Life:
    """One incident while signs are given to it."""

    incident: LiveIncident
    rules: Rules
    returns: int = 0
    known: list[Sign] = field(default_factory=list)
    new: list[Sign] = field(default_factory=list)
    again: list[Sign] = field(default_factory=list)

    @property
    def grown(self) -> LiveIncident:
        """The incident with all that it was given."""
        return _with(self.incident, self.new)

    def keep_known(self, signs: Sequence[Sign]) -> list[Sign]:
        """Take the signs that are this incident's already, and return the others."""
        keys = {*self.incident.anomalies, *self.incident.alerts}
        self.known = [sign for sign in signs if sign.key in keys]
        return [sign for sign in signs if sign.key not in keys]

    def take(self, signs: Sequence[Sign], near: Near) -> list[Sign]:
        """Take what came back and what is joined to this incident, and return the others."""
        self.again = [sign for sign in signs if sign.what in self.incident.about and self._may_come_back(sign)]
        left = _without(signs, self.again)
        while taken := self._next_of(left, near):
            self.new += taken
            left = _without(left, taken)
        return left

    def change(self, now: datetime) -> Change | None:
        """Return what became of it, None where nothing did."""
        status = self._status(now)
        if status is self.incident.status and not self.new:
            return None
        return Change(self._happened(status), self._next(status, now))

    def _may_come_back(self, sign: Sign) -> bool:
        return sign.onset >= self.incident.onset and not self._is_after_the_end(sign)

    def _next_of(self, signs: Sequence[Sign], near: Near) -> list[Sign]:
        """Return the signs that belong to the incident as it has grown so far."""
        grown = self.grown
        return _joined([sign for sign in signs if self._is_timely(sign, grown.onset)], grown.components, near)

    def _is_timely(self, sign: Sign, onset: datetime) -> bool:
        close = abs(sign.onset - onset) <= self.rules.around
        overlaps = sign.ended_at is None or sign.ended_at >= onset
        return close and overlaps and not self._is_after_the_end(sign)

    def _is_after_the_end(self, sign: Sign) -> bool:
        """Whether a sign began when the incident was over."""
        end = self.incident.resolved_at
        return end is not None and sign.onset > end

    def _status(self, now: datetime) -> Status:
        own, resolved_at = self._telling(), self.incident.resolved_at
        lasting = [sign for sign in own if sign.ended_at is None]
        if any(sign.is_alert for sign in lasting):
            return Status.OPEN
        last = max((sign.ended_at or sign.onset for sign in own), default=resolved_at or self.incident.updated_at)
        if resolved_at is not None and not lasting and last <= resolved_at:
            return Status.RESOLVED
        quiet = self._patience(own) if lasting else self._wanted_quiet()
        return Status.RESOLVED if now - last >= quiet else Status.OPEN

    def _telling(self) -> list[Sign]:
        """Return the signs that tell whether it is over: what it left behind opens it no more."""
        is_left = self.incident.resolved_at is not None
        known = (sign for sign in self.known if sign.is_alert or not is_left)
        return [*known, *self.again, *self.new]

    def _patience(self, own: Sequence[Sign]) -> timedelta:
        """Return how long nothing is to begin or end until anomalies that last keep the incident open no more."""
        felt = [sign.ended_at for sign in own if sign.is_alert or sign.kind in FELT]
        return self.rules.longest if felt and None not in felt else self.rules.usual

    def _wanted_quiet(self) -> timedelta:
        returns = max(Counter(sign.what for sign in self.again).values(), default=0)
        wanted: timedelta = self.rules.quiet * 2 ** min(self.returns + returns, MOST_DOUBLINGS)
        return min(wanted, self.rules.longest)

    def _happened(self, status: Status) -> Happened:
        if status is self.incident.status:
            return Happened.GROWN
        return Happened.RESOLVED if status is Status.RESOLVED else Happened.REOPENED

    def _next(self, status: Status, now: datetime) -> LiveIncident:
        return replace(
            self.grown,
            status=status,
            updated_at=now,
            resolved_at=self._resolved_at(status, now),
            version=self.incident.version + 1,
        )

    def _resolved_at(self, status: Status, now: datetime) -> datetime | None:
        if status is Status.OPEN:
            return None
        return self.incident.resolved_at or now


def _returns(incident: LiveIncident, others: Sequence[LiveIncident], rules: Rules) -> int:
    """Return how often what an incident tells of had been over, each time for less than the longest quiet."""
    before = [each for each in others if _is_shortly_before(each, incident, rules)]
    if not set(incident.about) <= {what for each in before for what in each.about}:
        return 0
    return 1 + max((_returns(each, others, rules) for each in before), default=-1)


def _is_shortly_before(other: LiveIncident, incident: LiveIncident, rules: Rules) -> bool:
    end = other.resolved_at
    return end is not None and end < incident.onset <= end + rules.longest


def _opened(signs: Sequence[Sign], near: Near, now: datetime, rules: Rules) -> list[LiveIncident]:
    """Return the incidents that signs open which belong to none; what belongs to these opens no other."""
    found: list[LiveIncident] = []
    left = list(signs)
    while (group := _enough(left, near, now, rules)) is not None:
        life = _Life(_incident(group, now), rules, known=group)
        left = life.take(_without(left, group), near)
        found.append(life.grown)
    return found


def _enough(signs: Sequence[Sign], near: Near, now: datetime, rules: Rules) -> list[Sign] | None:
    """Return the first group of signs that opens an incident, None when none does."""
    left = list(signs)
    while left:
        group = _group(left, near, rules)
        if _is_enough(group, rules) and now - group[0].onset >= rules.settle:
            return group
        left = _without(left, group)
    return None


def _group(signs: Sequence[Sign], near: Near, rules: Rules) -> list[Sign]:
    """Return the first sign and all that belong to it, in order of time."""
    first = signs[0]
    group, before = [sign for sign in signs if sign.onset - first.onset <= rules.around], 0
    while len(group) != before:
        before = len(group)
        group = _without_pause(_joined(group, (first.component,), near), rules.quiet)
    return group


def _without_pause(signs: Sequence[Sign], quiet: timedelta) -> list[Sign]:
    """Return the signs, which are in order of time, up to the first that begins long after those before it ended."""
    last = signs[0].ended_at
    for number, sign in enumerate(signs):
        if last is not None and sign.onset - last > quiet:
            return list(signs[:number])
        last = None if last is None or sign.ended_at is None else max(last, sign.ended_at)
    return list(signs)


def _without(signs: Sequence[Sign], taken: Iterable[Sign]) -> list[Sign]:
    keys = {sign.key for sign in taken}
    return [sign for sign in signs if sign.key not in keys]


def _is_enough(group: Sequence[Sign], rules: Rules) -> bool:
    return any(sign.is_alert for sign in group) or len({(sign.measured, sign.kind) for sign in group}) >= rules.least


def _joined(signs: Sequence[Sign], components: Iterable[str], near: Near) -> list[Sign]:
    """Return the signs of components that are joined to these, directly or by way of other signs' components."""
    waiting = {sign.component for sign in signs}
    taken: set[str] = set()
    new = list(components)
    while new:
        reached = {other for component in new for other in near(component)}
        new = sorted((waiting - taken) & reached)
        taken.update(new)
    return [sign for sign in signs if sign.component in taken]


def _incident(group: Sequence[Sign], now: datetime) -> LiveIncident:
    first = group[0]
    bare = LiveIncident(
        incident_id=identity_of(f"incident {first.key}")[:ID_LENGTH],
        status=Status.OPEN,
        onset=first.onset,
        opened_at=now,
        updated_at=now,
        components=(),
    )
    return _with(bare, group)


def _with(incident: LiveIncident, signs: Sequence[Sign]) -> LiveIncident:
    """Return the incident with more signs."""
    alerts = {sign.key for sign in signs if sign.is_alert}
    anomalies = {sign.key for sign in signs} - alerts
    return replace(
        incident,
        onset=min([incident.onset, *(sign.onset for sign in signs)]),
        components=tuple(sorted({*incident.components, *(sign.component for sign in signs)})),
        about=tuple(sorted({*incident.about, *(sign.what for sign in signs)})),
        anomalies=tuple(sorted({*incident.anomalies, *anomalies})),
        alerts=tuple(sorted({*incident.alerts, *alerts})),
    )
