"""Alerts that a server's rules fired, as a pull reads and keeps them."""

from __future__ import annotations

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

if TYPE_CHECKING:
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


@pytest.mark.parametrize("began", [float("nan"), float("inf")])
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
