"""How often somebody may ask, and what browsers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import OTHER, Served, serving

from hypocenter.api.rate_limits import MOST_BUCKETS, Buckets, Rate, rate_of_settings
from hypocenter.api.security_headers import origins_of_settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOAMI = "/api/v1/whoami"
CONSOLE = "https://console.example"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that lets each token ask four times, and hardly ever again."""
    given = {"TENANTS": OTHER, "RATE_LIMIT": "0.001", "RATE_BURST": "4", "CORS_ORIGINS": CONSOLE}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in given.items():
            patched.setenv(f"HYPOCENTER_{name}", value)
        with serving(tmp_path_factory.mktemp("limited")) as found:
            yield found


@given(st.lists(st.floats(0, 10), max_size=50), st.floats(0.1, 10), st.integers(1, 20))
def test_no_more_than_the_rate_and_the_burst_is_let_through(waits: list[float], per_second: float, burst: int) -> None:
    now = [0.0]
    buckets = Buckets(Rate(per_second, burst), lambda: now[0])
    taken = 0
    for wait in waits:
        now[0] += wait
        while buckets.take("a") >= 0:
            taken += 1
    assert taken <= burst + now[0] * per_second + 1e-6
    assert buckets.take("another") == burst - 1


def test_buckets_take_no_more_memory_than_is_meant() -> None:
    buckets = Buckets(Rate(1, 1), lambda: 0.0)
    assert buckets.take("first") == 0
    assert buckets.take("first") < 0
    for number in range(MOST_BUCKETS):
        buckets.take(str(number))
    assert buckets.take("first") == 0, "who is forgotten begins anew"


def test_whoever_asks_too_often_is_told_when_to_come_again(served: Served) -> None:
    answers = [served.ask("GET", WHOAMI, "read") for _ in range(5)]
    assert [each.status_code for each in answers] == [200] * 4 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"requests";q=4;w=4000'
    assert [each.headers["ratelimit"].partition(";t=")[0] for each in answers][:2] == [
        '"requests";r=3',
        '"requests";r=2',
    ]
    assert 990 <= int(answers[-1].headers["retry-after"]) <= 1000
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert served.ask("GET", WHOAMI, "read", OTHER).status_code == 200, "another tenant's token of that name"


def test_telemetry_and_health_are_not_counted(served: Served) -> None:
    for path in ("/healthz", "/readyz"):
        assert {served.ask("GET", path).status_code for _ in range(6)} == {200}
    body = {"content": b"[]", "headers": {"Content-Type": "application/json"}}
    assert {served.ask("POST", "/api/v1/alerts", "ingest", **body).status_code for _ in range(6)}.isdisjoint({429})


def test_strangers_are_slowed_and_others_at_their_address_are_not(served: Served) -> None:
    statuses = [served.ask("GET", WHOAMI, headers={"Authorization": f"Bearer hyp_{n}"}).status_code for n in range(6)]
    assert statuses == [401] * 4 + [429] * 2
    assert served.ask("GET", WHOAMI, "feedback").status_code == 200


def test_pages_of_named_origins_alone_may_ask(served: Served) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    ours = served.ask("OPTIONS", WHOAMI, headers={"Origin": CONSOLE, **asked})
    assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (200, CONSOLE)
    assert "access-control-allow-credentials" not in ours.headers
    for origin in ("https://evil.example", "null", CONSOLE + ".evil.example"):
        theirs = served.ask("OPTIONS", WHOAMI, headers={"Origin": origin, **asked})
        assert (theirs.status_code, "access-control-allow-origin" in theirs.headers) == (400, False)
    answer = served.ask("GET", WHOAMI, "admin", OTHER, headers={"Origin": CONSOLE})
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert answer.json()["name"] == "admin"


@pytest.mark.parametrize("path", ["/healthz", WHOAMI, "/nothing"])
def test_every_answer_tells_browsers_to_do_nothing_with_it(served: Served, path: str) -> None:
    headers = served.ask("GET", path, "ingest", OTHER).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in ("no-store", "private, no-cache")


@pytest.mark.parametrize("origins", ["*", "console.example", "https://a.example/", "https://*.example", "file://x"])
def test_an_origin_is_one_place(origins: str) -> None:
    with pytest.raises(InputError, match="CORS_ORIGINS"):
        origins_of_settings({"HYPOCENTER_CORS_ORIGINS": origins})


@pytest.mark.parametrize(
    "settings", [{"RATE_LIMIT": "-1"}, {"RATE_LIMIT": "inf"}, {"RATE_LIMIT": "nan"}, {"RATE_BURST": "0"}]
)
def test_a_rate_is_a_number(settings: dict[str, str]) -> None:
    with pytest.raises(InputError, match="RATE_"):
        rate_of_settings({f"HYPOCENTER_{name}": value for name, value in settings.items()})
