"""The client against a real server: the examples of its page, pages of lists, refusals, and a server that is busy."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypocenter_server import HypocenterServer

from hypocenter.client import PAGE, Client
from hypocenter.errors import ClientError, InputError, SourceError
from hypocenter.model import Anomaly, Direction, Evidence, Series, Suspect
from hypocenter.readers import read_cases
from hypocenter.simulator import fault_as_sent, read_scenario, send, simulate, write_case
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.stores.opening import open_records
from hypocenter.verdict_json import investigation_to_json
from hypocenter_graph.discover.declared import declared_by_case
from hypocenter_graph.stores.opening import open_graph
from hypocenter_workers.investigate import Options, investigate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.simulator import Simulation

ROOT = Path(__file__).parents[1]
PAGE_OF_CLIENT = ROOT / "docs" / "client.md"
SCENARIO = ROOT / "fixtures" / "scenarios" / "slow_query.scenario"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
PLENTY = PAGE + 50


def _kept(number: int) -> KeptAnomaly:
    at = FIRST + timedelta(seconds=number)
    told = Anomaly(Series("orders", f"m{number % 3}"), at, at, 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP)
    return KeptAnomaly(told, at + timedelta(minutes=5))


def _thinned(simulation: Simulation) -> Simulation:
    """Return a run with a sample in a minute."""
    metrics = simulation.metrics
    return replace(
        simulation, metrics=replace(metrics, times=metrics.times[::-4][::-1], values=metrics.values[::-4][::-1])
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypocenterServer]:
    """A server with the samples of an incident that began a while ago, and what was found out about it."""
    folder, now = tmp_path_factory.mktemp("client"), datetime.now(UTC)
    simulation = simulate(read_scenario(SCENARIO))
    simulation = _thinned(simulation)
    began = fault_as_sent(simulation, now)
    assert began is not None
    case = next(iter(read_cases(write_case(simulation, folder / "case"))))
    signs = [_kept(number) for number in range(PLENTY)]
    ended = now - timedelta(minutes=1)
    with closing(open_records(str(folder / "records.db"))) as records:
        records.detections.commit(0, None, Position(FIRST, 1), signs)
        keys = tuple(each.key for each in signs)
        incident = LiveIncident(
            "3a83faf42cc901f6", Status.RESOLVED, began, began, ended, ("orders",), keys, resolved_at=ended
        )
        records.incidents.save(incident)
        document = investigation_to_json(investigate(case, Options(at=case.started_at)))
        records.incidents.add_revision(Revision(incident.incident_id, 1, now, 1, document))
    with closing(open_graph(str(folder / "graph.db"))) as graph:
        graph.upsert(declared_by_case(simulation.components, simulation.dependencies, began))
    with HypocenterServer(folder, "--detection") as running:
        send(simulation, f"{running.url}/api/v1/write", ending_at=now)
        yield running


@pytest.fixture
def client(server: HypocenterServer) -> Iterator[Client]:
    with Client(server.url) as asking:
        yield asking


def test_the_examples_of_the_page_run(server: HypocenterServer, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE_OF_CLIENT.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    assert "http://127.0.0.1:4477" in code
    names: dict[str, object] = {}
    exec(compile(code.replace("http://127.0.0.1:4477", server.url), "client.md", "exec"), names)
    names["client"].close()  # type: ignore[attr-defined]
    shown = capsys.readouterr().out
    assert "3a83faf42cc901f6" in shown
    assert "catalog-db" in shown
    assert "404 there is no incident 'nothing'" in shown


def test_a_list_goes_on_over_its_pages(client: Client) -> None:
    found = list(client.anomalies("3a83faf42cc901f6"))
    assert len(found) == PLENTY
    assert [each.onset for each in found] == sorted((each.onset for each in found), reverse=True)
    some = list(client.anomalies(metric="m1", since=FIRST, until=FIRST + timedelta(seconds=29)))
    assert [(each.series.metric, each.onset) for each in some] == [
        ("m1", FIRST + timedelta(seconds=second)) for second in range(28, 0, -3)
    ]


def test_what_is_told_is_as_it_is_kept(client: Client) -> None:
    incident = client.incident("3a83faf42cc901f6")
    assert incident.verdict is not None
    found = client.suspects(incident.incident_id)
    assert found.suspects[0].component == incident.verdict.suspect == "catalog-db"
    assert all(isinstance(each, Suspect) for each in found.suspects)
    assert all(isinstance(each, Evidence) for each in found.suspects[0].evidence)
    assert found.suspects[0].evidence
    assert client.report(incident.incident_id).startswith("<!DOCTYPE html>")
    told = client.feedback(incident.incident_id, "cause", component="orders-db", note="it was the index")
    assert (told.says, told.component, told.note) == ("cause", "orders-db", "it was the index")


def test_refusals_say_which_field_is_wrong(client: Client) -> None:
    with pytest.raises(ClientError) as refused:
        client.feedback("3a83faf42cc901f6", "maybe")
    assert refused.value.status == 422
    assert "says" in str(refused.value.errors)
    with pytest.raises(ClientError, match="either"):
        client.investigate()


def test_a_server_that_is_not_there_and_a_url_that_is_none() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(SourceError, match="cannot be reached"):
        client.incident("x")
    for url in ("ftp://host", "http://", "http://user:secret@host", "http://host/?x=1"):
        with pytest.raises(InputError):
            Client(url)


class Busy(BaseHTTPRequestHandler):
    """A server that turns down the first requests for a while, and is then there."""

    answers: ClassVar[list[tuple[int, dict[str, str]]]] = []

    def do_GET(self) -> None:
        status, headers = self.answers.pop(0)
        body = b'{"items": [], "next_cursor": null}' if status == 200 else b'{"detail": "not now"}'
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("answers", "waited"),
    [
        ([(429, {"Retry-After": "7"}), (503, {}), (200, {})], [7.0, 1.0]),
        ([(503, {"Retry-After": "100000"}), (200, {})], [60.0]),
    ],
)
def test_what_is_refused_for_now_is_asked_for_again(answers: list[Any], waited: list[float]) -> None:
    waits: list[float] = []
    with busy(answers) as url, Client(url, sleep=waits.append) as client:
        assert list(client.incidents()) == []
    assert waits == waited


def test_a_server_that_stays_busy_is_told_of() -> None:
    with busy([(503, {})] * 5) as url, Client(url, sleep=lambda _: None) as client:
        with pytest.raises(ClientError, match="not now") as refused:
            client.incident("x")
        assert refused.value.status == 503


@contextmanager
def busy(answers: list[Any]) -> Iterator[str]:
    handler = type("Answering", (Busy,), {"answers": list(answers)})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        assert handler.answers == []
