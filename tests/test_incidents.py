"""The life of incidents: what belongs together, what does not, and what never happens twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hypocenter.events import KeptAlert, Origin
from hypocenter.incidents import Change, Happened, Rules, Sign, changes, sign_of_alert, sign_of_anomaly
from hypocenter.model import Alert, Anomaly, Direction, MetricKind, Series
from hypocenter.stores.detections import KeptAnomaly
from hypocenter.stores.live_incidents import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from hypocenter.stores.live_incidents import LiveIncident

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Rules()
# Two systems that nothing joins: web leans on cart, that on cart-db; mail leans on queue.
SYSTEMS = ({"web", "cart", "cart-db"}, {"mail", "queue"})
COMPONENTS = sorted(SYSTEMS[0] | SYSTEMS[1])


def near(component: str) -> set[str]:
    return next(system for system in SYSTEMS if component in system)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def sign(
    component: str, minute: float, end: float | None = None, what: str = "latency", *, alert: bool = False
) -> Sign:
    """Return a sign of a series that is named by its kind, and by a statistic after a space."""
    named, ended_at = f"{component}|{what}", None if end is None else at(end)
    kind = MetricKind.OTHER if alert else MetricKind(what.split()[0])
    key = f"{named}@{minute}"
    return Sign(at(minute), key, component, named, ended_at, is_alert=alert, kind=kind, measured=component)


class Life:
    """Incidents as a store would keep them, while signs come and time goes."""

    def __init__(self) -> None:
        self.incidents: dict[str, LiveIncident] = {}
        self.signs: dict[str, Sign] = {}
        self.told: list[Change] = []

    def see(self, *signs: Sign) -> Life:
        self.signs |= {each.key: each for each in signs}
        return self

    def go(self, minute: float) -> tuple[Change, ...]:
        found = changes(self.incidents.values(), self.signs.values(), near, at(minute), RULES)
        self.incidents |= {change.incident.incident_id: change.incident for change in found}
        self.told += found
        return found

    def run(self, first: int, last: int, step: int = 1) -> Life:
        for minute in range(first, last, step):
            self.go(minute)
        return self

    def happened(self) -> list[str]:
        return [str(change.happened) for change in self.told]

    @property
    def only(self) -> LiveIncident:
        (incident,) = self.incidents.values()
        return incident


def test_an_alert_and_anomalies_of_joined_components_are_one_incident() -> None:
    life = Life().see(sign("cart-db", 0), sign("cart", 2), sign("web", 5, alert=True))
    (change,) = life.go(6)
    assert change.happened is Happened.OPENED
    assert change.incident.onset == at(0)
    assert change.incident.components == ("cart", "cart-db", "web")
    assert len(change.incident.anomalies) == 2
    assert change.incident.alerts == ("web|latency@5",)


def test_faults_that_no_path_joins_are_two_incidents() -> None:
    life = Life().see(sign("cart", 0), sign("web", 1), sign("mail", 0), sign("queue", 1))
    assert {change.incident.components for change in life.go(5)} == {("cart", "web"), ("mail", "queue")}


def test_one_odd_series_opens_nothing_and_one_alert_does() -> None:
    assert Life().see(sign("cart", 0)).go(10) == ()
    assert len(Life().see(sign("cart", 0, alert=True)).go(10)) == 1


def test_one_measure_in_several_series_opens_nothing_and_two_measures_do() -> None:
    life = Life().see(sign("cart", 0, what="memory"), sign("cart", 0, what="memory share"))
    assert life.go(10) == ()
    life.see(sign("cart", 11, what="latency"))
    (change,) = life.go(12)
    assert (len(change.incident.anomalies), change.incident.onset) == (3, at(0))


def test_calls_as_both_ends_count_them_open_nothing() -> None:
    served = Series("cart", "request_rate", MetricKind.TRAFFIC, "1/s", "rate", "server", "web")
    asked = Series("web", "client_request_rate", MetricKind.TRAFFIC, "1/s", "rate", "client", "cart")
    told = [Anomaly(one, at(0), at(1), 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP) for one in (served, asked)]
    life = Life().see(*(sign_of_anomaly(KeptAnomaly(each)) for each in told))
    assert life.go(10) == ()
    assert len(life.see(sign("web", 11)).go(12)) == 1


def test_nothing_opens_before_it_is_settled() -> None:
    life = Life().see(sign("cart", 0, alert=True))
    assert life.go(0.5) == ()
    assert len(life.go(1)) == 1


def test_what_comes_later_grows_it_and_is_counted_once() -> None:
    life = Life().see(sign("cart", 0, alert=True))
    life.go(1)
    life.see(sign("web", 3))
    (grown,) = life.go(4)
    assert (grown.happened, grown.incident.version) == (Happened.GROWN, 2)
    assert life.go(5) == ()


def test_it_is_over_a_quarter_of_an_hour_after_all_of_it_ended() -> None:
    life = Life().see(sign("cart", 0, 10, alert=True), sign("web", 3, 20)).run(1, 60)
    assert life.happened() == ["opened", "resolved"]
    assert life.only.resolved_at == at(35)


def test_it_lasts_as_long_as_anything_of_it_does() -> None:
    life = Life().see(sign("cart", 0, alert=True), sign("web", 3, 20)).run(1, 300)
    assert life.happened() == ["opened"]


def test_what_it_left_behind_keeps_it_open_for_an_hour_and_never_opens_it_again() -> None:
    memory = sign("cart", 0, what="memory")
    life = Life().see(memory, sign("cart", 1, 20, what="errors"), sign("web", 2, 30)).run(1, 200)
    assert life.happened() == ["opened", "resolved"]
    assert life.only.resolved_at == at(90)
    life.see(replace(memory, ended_at=at(150))).run(200, 300)
    assert life.happened() == ["opened", "resolved"]


def test_what_comes_back_after_all_but_what_is_left_behind_was_over_is_another_incident() -> None:
    life = (
        Life().see(sign("cart", 0, what="memory"), sign("cart", 1, 20, what="errors"), sign("web", 2, 30)).run(1, 200)
    )
    life.see(sign("cart", 210, 220, what="errors"), sign("web", 210, 220)).run(210, 300)
    assert life.happened() == ["opened", "resolved", "opened", "resolved"]


def test_what_lasts_is_how_things_are_after_a_day_unless_an_alert_fires() -> None:
    # Whatever else is over: users still feel it.
    both = sign("cart", 0), sign("web", 3), sign("web", 3, 9, what="errors"), sign("cart-db", 3, 9, what="cpu")
    life = Life().see(*both).run(1, 25 * 60, 10)
    assert (life.happened(), life.only.resolved_at) == (["opened", "resolved"], at(24 * 60 + 11))
    alerted = Life().see(*both, sign("web", 4, what="SlowRequests", alert=True)).run(5, 48 * 60, 10)
    assert alerted.happened() == ["opened"]


def test_signs_more_than_an_hour_apart_are_two_incidents() -> None:
    life = Life().see(sign("cart", 0, 5, alert=True), sign("web", 90, 95, alert=True)).run(1, 150)
    assert life.happened() == ["opened", "resolved", "opened", "resolved"]
    assert len(life.incidents) == 2


def test_a_sign_long_after_all_had_ended_is_no_part_of_what_has_not_opened() -> None:
    life = Life().see(sign("cart", 0, 2), sign("cart", 40, what="errors"), sign("web", 41))
    (opened,) = life.go(50)
    assert opened.incident.onset == at(40)


def test_what_flaps_opens_few_and_then_stays_open() -> None:
    for pause, most in ((3, 1), (20, 2), (45, 3)):
        life = Life()
        for minute in range(1, 8 * 60):
            if minute % (pause + 2) == 1:
                life.see(sign("cart", minute, minute, alert=True))
            life.go(minute + 0.5)
            life.go(minute + 1.5)
        assert len(life.incidents) <= most, pause
        assert sum(each.status is Status.OPEN for each in life.incidents.values()) == 1
        assert "reopened" not in life.happened()


def test_what_comes_back_with_something_new_after_the_end_is_another_incident() -> None:
    life = Life().see(sign("cart", 0, 2, alert=True)).run(1, 20)
    life.see(sign("cart", 21, what="latency"), sign("web", 22), sign("web", 22, what="errors"))
    (change,) = life.go(25)
    assert (change.happened, change.incident.components) == (Happened.OPENED, ("cart", "web"))
    assert change.incident.onset == at(21)


def test_what_comes_back_before_the_end_is_the_same_incident() -> None:
    life = Life().see(sign("cart", 0, 2, alert=True)).run(1, 10)
    life.see(sign("cart", 11, 14, alert=True)).run(11, 90)
    assert life.happened() == ["opened", "resolved"]
    # It came back once: twice the quiet.
    assert life.only.resolved_at == at(44)


def test_a_sign_that_lasted_after_all_opens_its_incident_again() -> None:
    lasting = sign("cart", 0, alert=True)
    life = Life().see(replace(lasting, ended_at=at(5))).run(1, 30)
    life.see(lasting)
    (change,) = life.go(31)
    assert (change.happened, change.incident.resolved_at) == (Happened.REOPENED, None)


def test_a_late_sign_of_what_is_over_joins_it_and_opens_nothing() -> None:
    life = Life().see(sign("cart", 0, 5, alert=True)).run(1, 30)
    life.see(sign("web", 2, 6))
    (change,) = life.go(31)
    assert (change.happened, change.incident.status) == (Happened.GROWN, Status.RESOLVED)


def test_a_clock_that_jumps_back_opens_nothing_again() -> None:
    life = Life().see(sign("cart", 0, 5, alert=True)).run(1, 30)
    assert life.go(6) == ()
    assert life.only.status is Status.RESOLVED


def test_signs_that_are_no_longer_kept_end_it() -> None:
    life = Life().see(sign("cart", 0, alert=True))
    life.go(1)
    life.signs.clear()
    (change,) = life.go(20)
    assert change.happened is Happened.RESOLVED


def test_anomalies_and_alerts_are_signs() -> None:
    series = Series("cart", "latency_p99")
    anomaly = KeptAnomaly(Anomaly(series, at(0), at(1), 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP), at(7))
    seen = sign_of_anomaly(anomaly)
    assert (seen.component, seen.onset, seen.ended_at, seen.key) == ("cart", at(0), at(7), anomaly.key)
    assert (seen.kind, seen.measured) == (MetricKind.OTHER, "cart")
    back = sign_of_anomaly(replace(anomaly, anomaly=replace(anomaly.anomaly, returned_at=at(40)), ended_at=None))
    assert (back.onset, back.what, back.ended_at) == (at(40), seen.what, None)
    assert back.key != seen.key
    alert = KeptAlert(Alert("web", "Slow", at(2)), Origin("k"), at(9))
    assert sign_of_alert(alert, at(5)).ended_at is None
    assert sign_of_alert(alert, at(9)).ended_at == at(9)
    assert sign_of_alert(replace(alert, ends_at=None), at(900)).ended_at is None


spans = st.builds(
    lambda component, start, length, what, alert: sign(
        component, start, None if length is None else start + length, what, alert=alert
    ),
    st.sampled_from(COMPONENTS),
    st.integers(0, 240),
    st.none() | st.integers(0, 90),
    st.sampled_from(["latency", "errors", "cpu"]),
    st.booleans(),
)
several = st.lists(spans, max_size=25, unique_by=lambda each: each.key)


@given(several, st.randoms(use_true_random=False))
def test_the_order_of_signs_does_not_matter(signs: list[Sign], random: Random) -> None:
    shuffled = list(signs)
    random.shuffle(shuffled)
    assert Life().see(*signs).go(300) == Life().see(*shuffled).go(300)


@given(several, st.lists(st.sampled_from([0, 20, 40, 60]), min_size=25, max_size=25))
def test_what_arrives_while_it_settles_makes_the_same_incidents(signs: list[Sign], delays: list[int]) -> None:
    early = [replace(each, onset=NOON, ended_at=None) for each in _one_of_each_series(signs)]
    at_once, late = Life().see(*early), Life()
    for seconds in (0, 20, 40):
        late.see(*(each for each, delay in zip(early, delays, strict=False) if delay == seconds))
        late.go(seconds / 60)
    late.see(*early)
    assert late.go(1) == at_once.go(1)


def _one_of_each_series(signs: Iterable[Sign]) -> Sequence[Sign]:
    return tuple({each.what: each for each in signs}.values())


@given(several, st.integers(10, 60))
def test_no_sign_belongs_to_two_incidents_and_nothing_happens_twice(signs: list[Sign], step: int) -> None:
    life = Life()
    for minute in range(0, 420, step):
        life.see(*(each for each in signs if each.onset <= at(minute)))
        life.go(minute)
        # What opened when it was over already is resolved by the next look.
        assert {change.happened for change in life.go(minute)} <= {Happened.RESOLVED}
        assert life.go(minute) == ()
    keys = [key for each in life.incidents.values() for key in (*each.anomalies, *each.alerts)]
    assert len(keys) == len(set(keys))
    for each in life.incidents.values():
        told = [change.incident.version for change in life.told if change.incident.incident_id == each.incident_id]
        assert told == list(range(1, each.version + 1))


@given(several)
def test_an_incident_holds_components_of_one_system_alone(signs: list[Sign]) -> None:
    life = Life().see(*signs).run(0, 400, 50)
    for each in life.incidents.values():
        assert any(set(each.components) <= system for system in SYSTEMS)


@given(several)
def test_every_alert_is_part_of_an_incident(signs: list[Sign]) -> None:
    life = Life().see(*signs).run(0, 400, 50)
    held = {key for each in life.incidents.values() for key in (*each.anomalies, *each.alerts)}
    came_back = {each.what for each in signs if each.key in held}
    assert all(each.key in held or each.what in came_back for each in signs if each.is_alert)


@given(several)
def test_what_all_ended_is_resolved_in_the_end(signs: list[Sign]) -> None:
    ended = [replace(each, ended_at=each.ended_at or each.onset) for each in signs]
    life = Life().see(*ended).run(0, 600, 20)
    assert all(each.status is Status.RESOLVED for each in life.incidents.values())
