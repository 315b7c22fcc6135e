"""Incident tools' servers that lead nowhere or repeat what they were sent: the import ends, and no credential shows."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from incident_server import TOKEN, page, serving, taken

from hypocenter.errors import SourceError

if TYPE_CHECKING:
    from incident_server import Reply

USER = "bob>>>???"
PAIR = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()


@pytest.mark.parametrize(
    "echo",
    [
        f"Basic {PAIR}",
        quote(f"Basic {PAIR}", safe=""),
        PAIR.rstrip("="),
        base64.urlsafe_b64encode(f"{USER}:{TOKEN}".encode()).decode(),
        json.dumps({"Authorization": PAIR}).replace("/", "\\/"),
        "".join(f"%{ord(character):02x}" for character in PAIR),
        quote(quote(PAIR, safe=""), safe=""),
    ],
)
def test_the_pair_of_user_and_token_does_not_show_however_a_server_repeats_it(echo: str) -> None:
    with serving(lambda *_: (400, {}, f"bad header {echo} end".encode())) as server:
        with pytest.raises(SourceError, match=r"bad header .*\*\*\*.* end") as raised:
            taken(server, "servicenow", username=USER)
        assert server.asked[0][2]["Authorization"] == f"Basic {PAIR}"
    told = str(raised.value).lower()
    assert PAIR.lower()[:12] not in told
    assert "%59%6d" not in told
    assert {"+", "/", "="} <= set(PAIR)


@pytest.mark.parametrize(
    "echo", ["a%2Fb%2bc%3D", "a%2fb%2Bc%3d", "a%252Fb%252Bc%253D", "a\\/b\\u002bc=", "a/b&#43;c&#x3D;"]
)
def test_a_token_that_is_repeated_in_another_spelling_does_not_show(echo: str) -> None:
    with serving(lambda *_: (400, {}, f"bad token {echo}.".encode())) as server, pytest.raises(SourceError) as raised:
        taken(server, "opsgenie", token="a/b+c=")
    assert str(raised.value).endswith("bad token ***.)")


@pytest.mark.parametrize("digits", [5, 13, 5_000])
def test_a_count_of_incidents_that_is_too_long_to_be_one_is_not_believed(digits: int) -> None:
    pages = [page({"result": records}, X_Total_Count="9" * digits) for records in ([{"id": 1}], [])]

    def answer(_: str, params: dict[str, Any]) -> Reply:
        return pages[min(int(params["sysparm_offset"]) // 500, 1)]

    with serving(answer) as server:
        if digits == 5:
            with pytest.raises(SourceError, match="20 empty pages in a row"):
                taken(server, "servicenow")
        else:
            assert taken(server, "servicenow") == [{"id": 1}]


@pytest.mark.parametrize(
    ("asked_for", "told"),
    [
        ("9" * 400, "a number of 400 digits"),
        ("9" * 5_000, "a number of 5,000 digits"),
        ("Mon, 21 Sep 2026 12:00:09 +" + "9" * 20, r"no answer in 1 tries \(503\)"),
    ],
)
def test_a_wait_that_no_one_can_wait_is_told_as_one(asked_for: str, told: str) -> None:
    busy = (503, {"Retry-After": asked_for, "Date": "Mon, 21 Sep 2026 12:00:00 GMT"}, b"")
    attempts = 1 if "no answer" in told else 3
    with serving(lambda *_: busy) as server, pytest.raises(SourceError, match=told):
        taken(server, "opsgenie", attempts=attempts)


ANALYTICS = "/analytics/raw/incidents"


def by_token(source: str, place: str | None, records: list[Any]) -> Reply:
    if source == "jira":
        return page({"issues": records, "nextPageToken": place, "isLast": place is None})
    return page({"data": records, "last": place, "more": place is not None})


@pytest.mark.parametrize(
    ("source", "path", "name"), [("jira", "", "nextPageToken"), ("pagerduty", ANALYTICS, "starting_after")]
)
@pytest.mark.parametrize("records", [[], [{"id": 1}]])
def test_pages_that_turn_in_a_wider_circle_end(source: str, path: str, name: str, records: list[Any]) -> None:
    after = {None: "A", "A": "B", "B": "C", "C": "A"}
    with serving(lambda _, asked: by_token(source, after[asked.get(name)], records)) as server:
        with pytest.raises(SourceError, match="same page again"):
            taken(server, source, path)
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("source", "path", "name"), [("jira", "", "nextPageToken"), ("pagerduty", ANALYTICS, "starting_after")]
)
def test_new_places_with_nothing_at_them_end(source: str, path: str, name: str) -> None:
    with serving(lambda _, asked: by_token(source, asked.get(name, "") + "x", [])) as server:
        with pytest.raises(SourceError, match="20 empty pages in a row"):
            taken(server, source, path)
        assert len(server.asked) == 20


@pytest.mark.parametrize(
    ("source", "path", "name"), [("jira", "", "nextPageToken"), ("pagerduty", ANALYTICS, "starting_after")]
)
def test_some_empty_pages_on_the_way_are_no_end(source: str, path: str, name: str) -> None:
    def answer(_: str, asked: dict[str, Any]) -> Reply:
        at = int(asked.get(name, "0"))
        return by_token(source, str(at + 1) if at < 57 else None, [{"id": at}] if at % 19 == 0 else [])

    with serving(answer) as server:
        assert taken(server, source, path) == [{"id": at} for at in (0, 19, 38, 57)]


def test_a_count_that_no_page_bears_out_ends() -> None:
    empty = page({"result": []}, X_Total_Count="900000000")
    with serving(lambda *_: empty) as server:
        with pytest.raises(SourceError, match=r"20 empty pages in a row .* --query"):
            taken(server, "servicenow")
        assert len(server.asked) == 20


@pytest.mark.parametrize("following", ["x" * 70_000, "\ud800"])
def test_a_place_that_no_question_can_name_is_one_line(following: str) -> None:
    with (
        serving(lambda *_: by_token("jira", following, [{"id": 1}])) as server,
        pytest.raises(SourceError, match="cannot be asked") as raised,
    ):
        taken(server, "jira")
    assert "\n" not in str(raised.value)
