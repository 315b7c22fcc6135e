"""Alerts that a server's rules fired, as a pull reads and keeps them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pull_place import (
    MINUTE,
    NOW,
    Place,
    Script,
    matrix,
    span_of,
    stopping,
    vector,
)
from scripted_prometheus import Reply, success

from hypocenter.ingest.alertmanager import decode_posted
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS

if TYPE_CHECKING:
    from datetime import datetime

    from scripted_prometheus import Server


FIRING = {"alertname": "Slow", "alertstate": "firing", "service": "cart", "severity": "page"}


class Alerts(Script):
    """A server whose rule fires at some minutes of NOW, each time since a time of its own."""

    def __init__(self, times: dict[float, list[float]], fires_yet: bool) -> None:
        super().__init__()
        self.times, self.fires_yet = times, fires_yet

    def __call__(self, endpoint: str, params: dict[str, str]) -> Reply:
        if params["query"].startswith("ALERTS{"):
            return vector({"__name__": "ALERTS", **FIRING}) if self.fires_yet else vector()
        if "ALERTS" not in params["query"]:
            return super().__call__(endpoint, params)
        start, end = span_of(params)
        moments = [
            (at, began)
            for began, minutes in self.times.items()
            for at in (NOW.timestamp() + 60 * minute for minute in minutes)
            if start < at <= end
        ]
        since = {name: value for name, value in FIRING.items() if name != "alertstate"}
        return matrix(
            ({"__name__": "ALERTS", **FIRING}, [(at, 1.0) for at, _ in moments]),
            ({"__name__": "ALERTS_FOR_STATE", **since}, moments),
        )


def alerts(pull_place: Place) -> list[tuple[str, float, float | None]]:
    """Component, first and last minute from NOW of each alert."""
    kept = pull_place.records.alerts.alerts(NOW - timedelta(days=1), NOW + timedelta(days=1))
    return [
        (
            one.alert.component,
            (one.starts_at - NOW) / MINUTE,
            None if one.ends_at is None else (one.ends_at - NOW) / MINUTE,
        )
        for one in kept
    ]


def test_alerts_of_the_servers_rules_are_kept_with_their_lives(pull_place: Place, pull_server: Server) -> None:
    pull_server.script = pull_script = Alerts({100.0: [-30, -29, -28], 200.0: [-2, -1, 0]}, fires_yet=True)
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
        assert alerts(pull_place) == [("cart", -30, -28), ("cart", -2, None)]
        pull_place.now[0] += MINUTE
        pull_script.times[200.0].append(1)
        pull.turn()
        assert alerts(pull_place) == [("cart", -30, -28), ("cart", -2, None)]
        pull_place.now[0] += 10 * MINUTE
        pull_script.fires_yet = False
        pull.turn()
    assert alerts(pull_place) == [("cart", -30, -28), ("cart", -2, 1)]
    assert pull_place.records.alerts.alerts(NOW, NOW)[0].alert.severity == "page"
    assert list(pull_place.samples()) == ["cart-0"]


def test_an_alert_that_ended_unseen_ends_when_that_is_seen(pull_place: Place, pull_server: Server) -> None:
    pull_server.script = pull_script = Alerts({200.0: [-2]}, fires_yet=True)
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
        pull_place.now[0] += 30 * MINUTE
        pull_script.fires_yet = False
        pull.turn()
        assert alerts(pull_place) == [("cart", -2, 30)]


def test_an_alert_that_begins_anew_ends_the_one_before(pull_place: Place, pull_server: Server) -> None:
    pull_server.script = pull_script = Alerts({200.0: [-2]}, fires_yet=True)
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
        pull_place.now[0] += 30 * MINUTE
        pull_script.times[300.0] = [29, 30]
        pull.turn()
    assert alerts(pull_place) == [("cart", -2, 30), ("cart", 29, None)]


def pushed(place: Place, began: datetime, ended: datetime | None = None) -> None:
    """Tell of the same alert as Prometheus does of those that its rules fire."""
    labels = {name: value for name, value in FIRING.items() if name != "alertstate"}
    told = {"labels": labels, "annotations": {"summary": "slow"}, "startsAt": began.isoformat()}
    body = json.dumps([told | ({"endsAt": ended.isoformat()} if ended else {})]).encode()
    place.records.alerts.add_alerts(decode_posted(body, place.now[0], DEFAULT_COMPONENT_LABELS).alerts)


@pytest.mark.parametrize("order", ["pull, push", "push, pull", "push, pull, push, pull", "pull, pull, push, push"])
@pytest.mark.parametrize("unseen", [timedelta(), timedelta(microseconds=700), -timedelta(minutes=90)])
def test_an_alert_that_comes_by_pull_and_by_push_is_one(
    pull_place: Place, pull_server: Server, order: str, unseen: timedelta
) -> None:
    """Its beginning may be cut to milliseconds, or have been before what the pull reads."""
    active = (NOW - timedelta(hours=3)).timestamp()
    pull_server.script = script = Alerts({active: [-2, -1, 0]}, fires_yet=True)
    began = NOW - 2 * MINUTE + unseen
    with stopping(pull_place.pull(pull_server.url)) as pull:
        for way in order.split(", "):
            if way == "pull":
                pull.turn()
            else:
                pushed(pull_place, began)
        ((component, start, _),) = alerts(pull_place)
        assert (component, start) == ("cart", min(-2, (began - NOW) / MINUTE))
        pull_place.now[0] += 10 * MINUTE
        script.fires_yet = False
        pushed(pull_place, began, NOW + MINUTE)
        pull.turn()
    ((_, _, end),) = alerts(pull_place)
    assert end is not None
    (kept,) = pull_place.records.alerts.alerts(NOW, NOW)
    assert (kept.resolved, kept.alert.summary) == (True, "slow")


def test_an_alert_that_is_pushed_as_it_fires_anew_is_another(pull_place: Place, pull_server: Server) -> None:
    active = (NOW - 10 * MINUTE).timestamp()
    pull_server.script = Alerts({active: [-5, -4]}, fires_yet=False)
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    for minutes in (-11, -3):
        pushed(pull_place, NOW + minutes * MINUTE, NOW + minutes * MINUTE + MINUTE / 2)
    assert [start for _, start, _ in alerts(pull_place)] == [-11, -5, -3]


def test_of_the_server_that_keeps_the_metrics_nothing_is_copied(pull_place: Place, pull_server: Server) -> None:
    pull_server.script = pull_script = Alerts({200.0: [-2]}, fires_yet=True)
    with stopping(pull_place.pull(pull_server.url, copies=False)) as pull:
        original = pull_script.__class__.__call__

        def counting(endpoint: str, params: dict[str, str]) -> Reply:
            if params["query"].startswith("count("):
                return success({"resultType": "vector", "result": [{"metric": {}, "value": [0, "7"]}]})
            return original(pull_script, endpoint, params)

        pull_server.script = counting
        pull.turn()
    assert pull.status.series == 7
    assert pull_place.samples() == {}
    assert alerts(pull_place) == [("cart", -2, None)]


@pytest.mark.parametrize("began", [float("nan"), float("inf"), -1.0, 1e300, NOW.timestamp()])
def test_an_alert_since_no_time_is_none(pull_place: Place, pull_server: Server, began: float) -> None:
    pull_server.script = Alerts({began: [-2, -1]}, fires_yet=True)
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    assert alerts(pull_place) == []


def test_series_of_another_name_are_no_alerts(pull_place: Place, pull_server: Server) -> None:
    script = Alerts({}, fires_yet=True)
    pull_server.script = lambda endpoint, params: (
        matrix(({}, [(NOW.timestamp(), 1.0)]), ({"alertstate": "firing"}, [(NOW.timestamp(), 1.0)]))
        if "ALERTS|" in params["query"]
        else script(endpoint, params)
    )
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    assert alerts(pull_place) == []
