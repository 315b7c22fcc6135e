"""Scores, bands and incidents as a Prometheus answers them: as Grafana's data source and promtool ask."""

from __future__ import annotations

import json
import shlex
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import yaml
from band_server import band_sources
from documented import blocks
from listening import listening
from query_client import QueryClient
from shifting_system import END, START, STEP

from hypocenter.api.query.app import create_query_app
from hypocenter.api.query.prometheus_expressions import parsed
from hypocenter.errors import InputError
from hypocenter.stores.live_incidents import LiveIncident, Status
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SPIKED = START + 250 * STEP
SPIKE = SPIKED.timestamp()
QUEUE = '{component="service-3",metric="queue_length"}'
RANGE = {"start": f"{SPIKE - 600:.0f}", "end": f"{SPIKE + 600:.0f}", "step": "60"}
INCIDENT = LiveIncident("abc", Status.OPEN, SPIKED, SPIKED + STEP, SPIKED, ("service-3", "web"))
ROOT = Path(__file__).parents[1]
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "expected-bands.json"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    folder = tmp_path_factory.mktemp("prometheus")
    with closing(open_records(str(folder / "records.db"), "grafana")) as records:
        records.incidents.save(INCIDENT)
        yield create_query_app(band_sources(records, folder))


@pytest.fixture(scope="module")
def posted(app: ASGIApp) -> Callable[..., Any]:
    """Ask as Grafana does where nothing else is set: by POST of a form."""

    def ask(path: str, **asked: Any) -> Any:
        body = urlencode(asked, doseq=True)
        return QueryClient(app).ask("POST", f"http://hypocenter/prometheus/api/v1/{path}", content=body, headers=FORM)

    return ask


@pytest.fixture(scope="module")
def got(app: ASGIApp) -> Callable[..., Any]:
    """Ask by GET and return what the answer holds."""

    def ask(path: str, **asked: Any) -> Any:
        answer = QueryClient(app).ask("GET", f"http://hypocenter/prometheus/api/v1/{path}", params=asked)
        assert (answer.status_code, answer.json()["status"]) == (200, "success"), answer.text
        return answer.json()["data"]

    return ask


def test_the_health_check_of_the_data_source_is_answered(posted: Callable[..., Any], got: Callable[..., Any]) -> None:
    answer = posted("query", query="1+1", time="4")
    assert answer.json() == {"status": "success", "data": {"resultType": "scalar", "result": [4.0, "2"]}}
    assert "features" not in got("status/buildinfo"), "by that Grafana would take it for a Mimir"


def test_a_panel_is_drawn_by_a_range_of_score_and_band(posted: Callable[..., Any]) -> None:
    told = {}
    for name in ("value", "anomaly_score", "expected_lower", "expected_upper"):
        answer = posted("query_range", query=f"hypocenter_{name}{QUEUE}", **RANGE).json()["data"]
        (one,) = answer["result"]
        assert (answer["resultType"], one["metric"]["__name__"]) == ("matrix", f"hypocenter_{name}")
        assert [at for at, _ in one["values"]] == [SPIKE - 600 + 60 * step for step in range(21)]
        told[name] = {at: float(value) for at, value in one["values"]}
    assert max(told["anomaly_score"], key=told["anomaly_score"].__getitem__) == SPIKE
    assert told["value"][SPIKE] > told["expected_upper"][SPIKE] > told["expected_lower"][SPIKE]
    assert all(
        told["expected_lower"][at] < told["value"][at] < told["expected_upper"][at] for at in list(told["value"])[:5]
    )


def test_a_coarse_step_hides_no_anomaly(posted: Callable[..., Any]) -> None:
    coarse = {"start": f"{SPIKE - 3590:.0f}", "end": f"{SPIKE + 900:.0f}", "step": "15m"}
    (one,) = posted("query_range", query=f"hypocenter_anomaly_score{QUEUE}", **coarse).json()["data"]["result"]
    assert max(float(value) for _, value in one["values"]) > 6


def test_a_value_is_as_it_was_for_five_minutes(got: Callable[..., Any]) -> None:
    end = (END - STEP).timestamp()
    for at, count in ((end, 1), (end + 299, 1), (end + 301, 0), (START.timestamp() - 1, 0), (1, 0)):
        found = got("query", query=f"hypocenter_value{QUEUE}", time=f"{at:.3f}")
        assert (found["resultType"], len(found["result"])) == ("vector", count)
        assert [each["value"][0] for each in found["result"]] == [at] * count


def test_incidents_that_are_open_are_told_by_component(got: Callable[..., Any]) -> None:
    question = {"query": 'hypocenter_incident_open{component="web"}', **RANGE}
    (one,) = got("query_range", **question)["result"]
    assert one["metric"] == {"__name__": "hypocenter_incident_open", "component": "web", "incident_id": "abc"}
    assert one["values"][0] == [SPIKE, "1"]
    assert len(one["values"]) == 11


def test_labels_and_their_values_fill_what_is_chosen_from(got: Callable[..., Any], posted: Callable[..., Any]) -> None:
    span = {"start": f"{SPIKE:.0f}", "end": f"{SPIKE + 60:.0f}"}
    assert "hypocenter_anomaly_score" in got("label/__name__/values", **span)
    assert got("label/component/values", **{"match[]": "hypocenter_incident_open"}, **span) == ["service-3", "web"]
    components = got("label/component/values", **{"match[]": "hypocenter_value"}, **span)
    assert components == [f"service-{number}" for number in range(10)]
    metrics = got("label/metric/values", **{"match[]": 'hypocenter_value{component="service-3"}'}, **span)
    assert metrics == ["error_share", "queue_length", "request_rate"]
    assert {"__name__", "component", "metric"} <= set(posted("labels", **span).json()["data"])
    named = posted("labels", **{"match[]": "hypocenter_incident_open"}, **span).json()["data"]
    assert named == ["__name__", "component", "incident_id"]
    listed = posted("series", **{"match[]": ['{__name__=~"hypocenter_expected_.*",component="service-3"}']}, **span)
    assert len(listed.json()["data"]) == 6
    assert got("metadata", metric="hypocenter_value").keys() == {"hypocenter_value"}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("query", {}),
        ("query", {"query": "rate(hypocenter_value[5m])"}),
        ("query", {"query": "sum(hypocenter_value)"}),
        ("query", {"query": "hypocenter_value offset 5m"}),
        ("query", {"query": "hypocenter_value > 3"}),
        ("query", {"query": "1+"}),
        ("query", {"query": "(" * 1900}),
        ("query", {"query": "1" * 3000}),
        ("query", {"query": "hypocenter_value", "time": "NaN"}),
        ("query", {"query": "hypocenter_value", "time": "soon"}),
        ("query", {"query": "hypocenter_value", "time": "-1"}),
        ("query", {"query": "hypocenter_value", "time": "99999999999"}),
        ("query", {"query": 'hypocenter_value{component=~"("}'}),
        ("query_range", {"query": "1", **RANGE, "step": "0"}),
        ("query_range", {"query": "1", **RANGE, "step": "0.001"}),
        ("query_range", {"query": "1", **RANGE, "end": "1"}),
        ("query_range", {"query": "hypocenter_value", "start": "1", "end": "2"}),
        ("series", {}),
        ("labels", {"match[]": ["up"] * 21}),
        ("labels", {str(number): "x" for number in range(101)}),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_what_is_not_answered_is_refused_as_prometheus_refuses(
    path: str, asked: dict[str, Any], posted: Callable[..., Any]
) -> None:
    answer = posted(path, **asked)
    assert (answer.status_code, answer.json()["status"], answer.json()["errorType"]) == (400, "error", "bad_data")
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1+1", 2), ("2*3-4/2", 4), ("-2^2", -4), ("2^3^2", 512), ("(1+2)*3", 9), ("7%4", 3), ("0x1f", 31), ("1e3", 1000)],
)
def test_numbers_are_reckoned_as_prometheus_does(text: str, value: float) -> None:
    assert parsed(text) == value


@pytest.mark.parametrize("text", ["1/0", "Inf", "9^9999"])
def test_what_has_no_end_is_infinite(text: str) -> None:
    assert parsed(text) == float("inf")


def test_more_series_than_a_picture_holds_are_refused_by_the_number(posted: Callable[..., Any]) -> None:
    many = {"start": f"{SPIKE - 86_400:.0f}", "end": f"{SPIKE:.0f}", "step": "10"}
    answer = posted("query_range", query="hypocenter_value", **many)
    assert (answer.status_code, "points are too many" in answer.json()["error"]) == (400, True)
    with pytest.raises(InputError, match="only one selector"):
        parsed("vector(1)")


def test_promtool_asks_and_reads(app: ASGIApp, require: Callable[[str], str]) -> None:
    def said(*words: str) -> str:
        command = [require("promtool"), "query", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    span = [f"--start={SPIKE - 60:.0f}", f"--end={SPIKE:.0f}"]
    with listening(app) as server:
        url = f"{server}/prometheus"
        assert said("instant", url, "1+1").startswith("scalar: 2 @[")
        instant = said("instant", f"--time={SPIKE:.0f}", url, f"hypocenter_anomaly_score{QUEUE}")
        assert instant.startswith("hypocenter_anomaly_score{")
        drawn = said("range", *span, "--step=60s", url, f"hypocenter_expected_upper{QUEUE}")
        assert drawn.count("@[") == 2
        assert "web" in said("labels", *span, url, "component")
        assert said("series", *span, f"--match=hypocenter_value{QUEUE}", url).count("__name__") == 1


def test_every_expression_of_the_dashboard_is_answered(got: Callable[..., Any]) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    chosen = {"$component": "service-3", "$metric": "queue_length"}
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
    for target in targets:
        expression = target["expr"]
        for name, value in chosen.items():
            expression = expression.replace(name, value)
        assert got("query_range", query=expression, **RANGE)["result"], expression
    names = [each["query"]["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    assert names == [
        "label_values(hypocenter_value, component)",
        'label_values(hypocenter_value{component="$component"}, metric)',
    ]
    assert len(targets) >= 4


def test_the_lines_to_paste_are_those_that_are_provisioned(app: ASGIApp, require: Callable[[str], str]) -> None:
    provisioned = ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "hypocenter.yml"
    (own,) = yaml.safe_load(provisioned.read_text(encoding="utf-8"))["datasources"]
    (pasted,) = yaml.safe_load("".join(blocks("grafana", "yaml")))["datasources"]
    elsewhere = {"url": own["url"], "secureJsonData": own["secureJsonData"]}
    assert pasted.keys() == own.keys()
    assert pasted | elsewhere == own
    place = pasted["url"]
    asks = [line for block in blocks("grafana", "sh") for line in block.splitlines() if line.startswith("promtool")]
    with listening(app) as server:
        url = f"{server}/prometheus"
        for line in asks:
            words = [require("promtool"), *shlex.split(line.replace(place, url))[1:]]
            subprocess.run(words, check=True, timeout=60, capture_output=True)
    assert len(asks) == 1


def test_time_that_is_to_come_holds_nothing(got: Callable[..., Any]) -> None:
    late = END + timedelta(days=1)
    asked = {"start": f"{late.timestamp():.0f}", "end": f"{late.timestamp() + 60:.0f}", "step": "60"}
    assert got("query_range", query=f"hypocenter_value{QUEUE}", **asked) == {"resultType": "matrix", "result": []}


def test_many_incidents_of_many_points_are_refused(tmp_path: Path) -> None:
    with closing(open_records(str(tmp_path / "records.db"), "grafana")) as records:
        components = tuple(f"service-{number}" for number in range(20))
        records.incidents.save(replace(INCIDENT, components=components))
        client = QueryClient(create_query_app(band_sources(records, tmp_path)))
        end = SPIKE + 10_999 * 5
        asked = {"query": "hypocenter_incident_open", "start": SPIKE, "end": end, "step": 5}
        answer = client.ask("GET", "http://hypocenter/prometheus/api/v1/query_range", params=asked)
        assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
        assert "take a longer step" in answer.json()["error"]
        answer = client.ask("GET", "http://hypocenter/prometheus/api/v1/query_range", params={**asked, "step": 10})
        assert len(answer.json()["data"]["result"]) == 20
