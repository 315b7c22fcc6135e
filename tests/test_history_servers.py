"""Incident tools' servers: every page is read or nothing is kept, and no token shows or goes astray."""

from __future__ import annotations

import base64
import json
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from incident_server import TOKEN, numbered, page, serving, taken

from hypocenter.errors import HypocenterError, InputError, LimitError, SourceError
from hypocenter.history.asking import Asked, fetched
from hypocenter.history.client import Access, checked_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from incident_server import Reply

    Command = Callable[..., tuple[int, str, str]]

ACCESS = Access(token=TOKEN, attempts=3, timeout_s=5.0)


def test_pagerduty_pages_by_offset_while_there_is_more() -> None:
    def answer(_: str, params: dict[str, Any]) -> Reply:
        offset = int(params["offset"])
        return page({"incidents": numbered(offset, 100 if offset < 200 else 7), "more": offset < 200})

    with serving(answer) as server:
        assert taken(server, "pagerduty") == numbered(0, 207)
        paths, params, headers = zip(*server.asked, strict=True)
    assert set(paths) == {"/incidents"}
    assert [each["offset"] for each in params] == ["0", "100", "200"]
    assert params[0]["date_range"] == "all"
    assert params[0]["statuses[]"] == "resolved"
    assert headers[0]["Authorization"] == f"Token token={TOKEN}"
    assert headers[0]["Accept"] == "application/vnd.pagerduty+json;version=2"


def test_pagerduty_is_asked_about_half_a_year_at_a_time() -> None:
    year = Asked(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    with serving(lambda *_: page({"incidents": [], "more": False})) as server:
        assert taken(server, "pagerduty", asked=year) == [[]]
        spans = [(params["since"], params["until"]) for _, params, _ in server.asked]
    assert len(spans) == 3
    assert spans[0][0] == "2025-01-01T00:00:00+00:00"
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert spans[-1][1] == "2026-01-01T00:00:00+00:00"


def test_pagerduty_that_gives_no_more_is_told() -> None:
    def answer(_: str, params: dict[str, Any]) -> Reply:
        return page({"incidents": numbered(int(params["offset"]), 100), "more": True})

    with serving(answer) as server, pytest.raises(SourceError, match=r"no more than 10,000 .* --since and --until"):
        taken(server, "pagerduty")


def test_pagerduty_analytics_page_by_cursor() -> None:
    pages = {
        None: {"data": numbered(0, 2), "more": True, "last": "a"},
        "a": {"data": numbered(2, 2), "more": True, "last": "b"},
        "b": {"data": numbered(4, 1), "more": False, "last": "c"},
    }
    since = Asked(since=datetime(2026, 1, 1, tzinfo=UTC))
    with serving(lambda _, body: page(pages[body.get("starting_after")])) as server:
        assert taken(server, "pagerduty", "/analytics/raw/incidents", since) == numbered(0, 5)
        bodies = [body for _, body, _ in server.asked]
    assert bodies[0]["filters"] == {"created_at_start": "2026-01-01T00:00:00+00:00"}


def test_pagerduty_analytics_that_turn_in_a_circle_end() -> None:
    circle = page({"data": numbered(0, 1), "more": True, "last": "a"})
    with serving(lambda *_: circle) as server, pytest.raises(SourceError, match="same page again"):
        taken(server, "pagerduty", "/analytics/raw/incidents")


@pytest.mark.parametrize("counted", [True, False])
def test_servicenow_pages_may_be_short_before_the_end(counted: bool) -> None:
    sizes = [500, 3, 500]

    def answer(_: str, params: dict[str, Any]) -> Reply:
        at = int(params["sysparm_offset"]) // 500
        records = numbered(at * 500, sizes[at]) if at < len(sizes) else []
        return page({"result": records}, **({"X_Total_Count": "1400"} if counted else {}))

    asked = Asked(since=datetime(2026, 1, 1, tzinfo=UTC), query="category=network", fields=("u_cause",))
    with serving(answer) as server:
        assert len(taken(server, "servicenow", asked=asked, username="reader")) == 1003
        path, params, headers = server.asked[0]
        assert len(server.asked) == (3 if counted else 4)
    assert path == "/api/now/table/incident"
    assert params["sysparm_query"].startswith("category=network^opened_at>=2026-01-01 00:00:00^ORDERBY")
    assert params["sysparm_display_value"] == "all"
    assert {"cmdb_ci", "caused_by", "u_cause"} <= set(params["sysparm_fields"].split(","))
    assert headers["Authorization"] == "Basic " + base64.b64encode(f"reader:{TOKEN}".encode()).decode()


def test_jira_cloud_pages_by_token() -> None:
    def answer(_: str, params: dict[str, Any]) -> Reply:
        if "nextPageToken" not in params:
            return page({"issues": numbered(0, 100), "nextPageToken": "x", "isLast": False})
        return page({"issues": numbered(100, 1), "isLast": True})

    asked = Asked(
        since=datetime(2026, 1, 1, tzinfo=UTC),
        query="project = SHOP ORDER BY key",
        fields=("fields.customfield_10050.value",),
    )
    with serving(answer) as server:
        assert taken(server, "jira", asked=asked) == numbered(0, 101)
        path, params, headers = server.asked[0]
    assert path == "/rest/api/3/search/jql"
    assert params["jql"] == '(project = SHOP) AND created >= "2026-01-01 00:00" ORDER BY key'
    assert "customfield_10050" in params["fields"].split(",")
    assert headers["Authorization"] == f"Bearer {TOKEN}"


def test_jira_server_pages_by_offset_of_the_size_that_it_gives() -> None:
    def answer(_: str, params: dict[str, Any]) -> Reply:
        start = int(params["startAt"])
        return page({"startAt": start, "maxResults": 50, "total": 120, "issues": numbered(start, min(50, 120 - start))})

    with serving(answer) as server:
        assert taken(server, "jira", "/rest/api/2/search") == numbered(0, 120)
        assert [params["startAt"] for _, params, _ in server.asked] == ["0", "50", "100"]
        assert server.asked[0][1]["jql"] == "(issuetype = Incident) ORDER BY created ASC"


def test_opsgenie_pages_as_long_as_there_is_a_next_one_and_follows_no_link() -> None:
    def answer(_: str, params: dict[str, Any]) -> Reply:
        offset = int(params["offset"])
        paging = {"next": "http://192.0.2.1/steal"} if offset < 100 else {}
        return page({"data": numbered(offset, 100 if offset < 100 else 1), "paging": paging})

    asked = Asked(until=datetime(2026, 1, 1, tzinfo=UTC))
    with serving(answer) as server:
        assert taken(server, "opsgenie", asked=asked) == numbered(0, 101)
        path, params, headers = server.asked[0]
    assert (path, params["query"]) == ("/v1/incidents", "createdAt < 1767225600000")
    assert headers["Authorization"] == f"GenieKey {TOKEN}"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_page_that_is_not_given_for_now_is_asked_for_again(status: int) -> None:
    replies = iter([(status, {"Retry-After": "0"}, b""), page({"data": [{"id": 1}]})])
    with serving(lambda *_: next(replies)) as server:
        assert taken(server, "opsgenie") == [{"id": 1}]


def test_a_server_that_stays_busy_is_given_up() -> None:
    with (
        serving(lambda *_: (503, {"Retry-After": "0"}, b"")) as server,
        pytest.raises(SourceError, match=r"no answer in 3 tries \(503\)"),
    ):
        taken(server, "opsgenie")


def test_a_server_that_asks_for_too_long_a_wait_is_told() -> None:
    with (
        serving(lambda *_: (429, {"Retry-After": "86400"}, b"")) as server,
        pytest.raises(SourceError, match="asks to wait 86400 s"),
    ):
        taken(server, "opsgenie")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ((302, {"Location": "http://192.0.2.1/"}, b""), "redirect"),
        ((401, {}, TOKEN.encode()), "refuses access"),
        ((400, {}, b"bad token " + TOKEN.encode()), r"bad token \*\*\*"),
        ((200, {}, b"<html>log in</html>"), "no JSON"),
        ((200, {}, b'{"data": 1}'), "holds no list 'data'"),
        ((200, {}, b"[1]"), "holds no list 'data'"),
        ((200, {"Content-Length": "100"}, b"{}"), "broke off"),
    ],
)
def test_a_server_that_answers_otherwise_is_one_line_without_the_token(reply: Reply, told: str) -> None:
    with serving(lambda *_: reply) as server, pytest.raises(SourceError, match=told) as raised:
        taken(server, "opsgenie")
    assert TOKEN not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_page_that_is_too_long_is_refused() -> None:
    big = page({"data": [{"id": "x" * 10_000}]})
    with serving(lambda *_: big) as server, pytest.raises(LimitError, match="a page is longer than 1,000 bytes"):
        taken(server, "opsgenie", answer_bytes=1000)


def test_more_than_there_is_room_for_is_refused() -> None:
    endless = page({"data": [{"id": "x" * 60_000}], "paging": {"next": "y"}})
    with serving(lambda *_: endless) as server, pytest.raises(LimitError, match="more than 1,000,000 bytes"):
        taken(server, "opsgenie")


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(SourceError, match=r"no whole answer within 0.2 s"),
            fetched(url, "jira", Asked(), Access(timeout_s=0.2), 1000),
        ):
            pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://tool.example", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("https://", "name a host"),
        ("https://reader:secret@tool.example", "no user or password"),
        ("https://tool.example/x?token=secret", r"must not hold \?"),
        ("https://tool.example:99999", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("http://tool.example", "https:// alone"),
        ("http://10.0.0.1", "https:// alone"),
    ],
)
def test_a_url_that_should_not_be_asked_is_refused(url: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as raised:
        checked_url(url, has_token=True)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "päss"])
def test_a_token_that_no_header_holds_is_refused(token: str) -> None:
    with (
        pytest.raises(HypocenterError, match="printable ASCII"),
        fetched("https://tool.example", "jira", Asked(), Access(token=token), 1000),
    ):
        pass


@pytest.mark.parametrize("url", ["https://to ol.example", "https://xn--\u0000.example", "https://tool.example/\x7f"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(HypocenterError, match=r"URL|reached"), fetched(url, "jira", Asked(), Access(), 1000):
        pass


def test_a_token_does_not_show() -> None:
    assert TOKEN not in repr(ACCESS)


def test_a_server_becomes_history_through_the_command(history_command: Command, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    record = {"id": "1", "tinyId": "17", "message": "Slow", "createdAt": "2026-01-12T09:41:00Z"}
    with serving(lambda *_: page({"data": [record]})) as server:
        words = ("import", server.url, "--from", "opsgenie", "--token-file", "token")
        code, told, _ = history_command(*words)
        assert server.asked[0][2]["Authorization"] == f"GenieKey {TOKEN}"
        assert "0 new, 0 changed, 1 the same" in history_command(*words)[1]
    assert code == 0
    assert "1 new" in told
    (kept,) = map(json.loads, history_command("export")[1].splitlines())
    assert (kept["incident_id"], kept["title"]) == ("17", "Slow")


def test_a_server_without_incidents_is_no_failure(history_command: Command) -> None:
    with serving(lambda *_: page({"data": []})) as server:
        code, told, _ = history_command("import", server.url, "--from", "opsgenie")
    assert code == 0
    assert "0 read" in told


def test_nothing_is_kept_when_a_later_page_fails(history_command: Command) -> None:
    replies = iter([page({"data": [{"id": "1", "message": "Slow"}], "paging": {"next": "x"}}), (404, {}, b"gone")])
    with serving(lambda *_: next(replies)) as server:
        code, _, error = history_command("import", server.url, "--from", "opsgenie")
    assert code == 3
    assert "refused the question (404: gone)" in error
    assert history_command("export")[1] == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("own.csv", "--from", "csv", "--since", "2026-01-01"), "--since needs a URL"),
        (("https://tool.example", "--from", "csv"), "reads files"),
        (("https://tool.example", "--from", "jira", "--token-file", "none"), "none: cannot be read"),
        (("https://tool.example", "--from", "pagerduty", "--query", "x"), "--since and --until alone"),
        (("https://tool.example", "--from", "pagerduty", "--until", "2026-01-01"), "wants --since too"),
        (("own.csv", "--from", "csv", "--timezone", "Mars/Base"), "no such time zone"),
        (("own.csv", "--from", "csv", "--encoding", "klingon"), "no such encoding"),
        (("own.csv", "--from", "csv", "--telemetry", "own.csv"), "is no folder"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    history_command: Command, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "own.csv").write_text("incident_id\nA\n")
    code, _, error = history_command("import", *words)
    assert code == 2
    assert told in error
