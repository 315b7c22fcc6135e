"""The OpenAPI document is true: whatever is asked as it says, or not as it says, is answered as it says."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from band_server import band_sources
from hypothesis import HealthCheck, Phase, given, settings
from query_seeds import graph, seed
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from hypocenter.access import Identity, Scope
from hypocenter.api.query.app import DOCUMENT, create_query_app
from hypocenter.api.query.document import TAGS
from hypocenter.api.query.others import OTHERS
from hypocenter.api.tokens import TenantTokens, TokenFile
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter_server import HypocenterServer
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as HttpScope

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# What answers these says so in protocols of its own.
ELSEWHERE = ("intake", "server")
HERE = tuple(tag for tag in TAGS if tag not in ELSEWHERE)
# Of each operation; as many as hypothesis is told in the profile "soak".
MOST = max(8, settings().max_examples // 25)


def known(app: ASGIApp) -> ASGIApp:
    """Have whoever asks be known, as the server does before it asks the application."""
    admin = Identity("tester", frozenset(Scope), "default", "token")

    async def ask(scope: HttpScope, receive: Receive, send: Send) -> None:
        await app({**scope, "identity": admin}, receive, send)

    return ask


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    """The query API of real stores that hold some of each thing."""
    folder = tmp_path_factory.mktemp("openapi")
    with closing(open_records(str(folder / "records.db"), "default")) as records:
        seed(records)
        sources = band_sources(records, folder / "states")
        tokens = TenantTokens(TokenFile(folder), "default")
        yield known(create_query_app(replace(sources, graph=graph(), tokens=tokens, send=_bands_alone(sources.send))))


def _bands_alone(send: Any) -> Any:
    """Have bands answered at once, and investigations wait."""
    return lambda order, *asked: send(order, *asked) if order == "hypocenter.bands" else None


@pytest.fixture(scope="module")
def api(app: ASGIApp) -> Any:
    found = schemathesis.openapi.from_asgi(DOCUMENT, app)
    # Who asks is found out before this application is asked.
    found.config.generation.update(with_security_parameters=False)
    return found


def _asked(cases: Any) -> None:
    @settings(max_examples=MOST, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(cases)
    def answered(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    answered()


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("tag", HERE)
def test_every_answer_is_one_that_the_document_tells_of(api: Any, tag: str, mode: GenerationMode) -> None:
    operations = [found.ok() for found in api.include(tag=tag).get_all_operations()]
    assert operations
    for operation in operations:
        # What takes any text, or nothing, cannot be asked otherwise than as it says.
        named = {each.name for each in operation.iter_parameters()} - {"If-None-Match"}
        if mode.is_positive or named or operation.body:
            _asked(operation.as_strategy(generation_mode=mode))


def test_whatever_is_told_of_stands_below_a_tag_that_says_what_it_is(api: Any) -> None:
    told = {tag for methods in api.raw_schema["paths"].values() for each in methods.values() for tag in each["tags"]}
    assert told <= TAGS.keys()


def test_every_parameter_and_field_says_what_it_is(api: Any) -> None:
    silent = [
        f"{path} {each['name']}"
        for path, methods in api.raw_schema["paths"].items()
        for operation in methods.values()
        for each in operation.get("parameters", ())
        if not each.get("description")
    ]
    shapes = api.raw_schema["components"]["schemas"]
    silent += [
        f"{name}.{field}"
        for name, shape in shapes.items()
        for field, told in shape.get("properties", {}).items()
        if not told.get("description")
    ]
    assert silent == []


def test_what_is_told_of_in_short_is_served(hypocenter_server: HypocenterServer) -> None:
    for each in OTHERS:
        answer = httpx.request(each.method, hypocenter_server.url + each.path, timeout=60)
        assert (each.path, answer.status_code) not in {(each.path, 404), (each.path, 405)}
