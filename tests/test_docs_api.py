"""The pages of the query API: what they say to paste is answered, and the reference is that of the document."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from api_reference import PAGE, SCHEMA, document, reference, schema
from query_client import QueryClient, sources_of
from query_seeds import INCIDENT, graph, seed

from hypocenter.api.query.app import create_query_app

if TYPE_CHECKING:
    from hypocenter.stores.opening import SqlRecords

SERVER = "http://127.0.0.1:4477/api/v1/"
TEXT = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
LINES = [
    shlex.split(line)
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
REFUSED = "incidents?limit=1000"


def ask(client: QueryClient, words: list[str]) -> Any:
    """Ask as curl would."""
    (url,) = [word for word in words if word.startswith(SERVER)]
    body = words[words.index("--json") + 1] if "--json" in words else None
    path = url.removeprefix(SERVER)
    return client.ask("GET", path) if body is None else client.ask("POST", path, json=json.loads(body))


@pytest.fixture
def client(records: SqlRecords) -> QueryClient:
    seed(records)
    return QueryClient(create_query_app(sources_of(records, graph=graph())))


def test_every_line_to_paste_is_answered_as_the_page_says(client: QueryClient) -> None:
    assert len(LINES) > 15
    for words in LINES:
        answer = ask(client, words)
        assert words[0] == "curl"
        assert (words, answer.status_code) == (words, _wanted(words))


def _wanted(words: list[str]) -> int:
    if "--json" in words:
        return 201
    return 422 if REFUSED in words[1] else 200


def test_a_refusal_is_as_the_page_shows_it(client: QueryClient) -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    # Pythons differ in what the status is called.
    answer, wanted = (value | {"title": ""} for value in (client.get(REFUSED).json(), json.loads(shown)))
    assert answer == wanted


def test_every_operation_on_incidents_is_on_the_page() -> None:
    below = "/api/v1/incidents/{incident_id}"
    named = [path.removeprefix(below).partition("{")[0] for path in document()["paths"] if path.startswith(below)]
    assert [name for name in named if INCIDENT + name not in TEXT] == []


def test_the_reference_is_that_of_the_document() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(document()), "run: make api-reference"


def test_the_schema_of_verdicts_is_that_of_their_types() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "run: make api-reference"
