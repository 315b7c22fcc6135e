"""Verdicts as the query API answers them: each kind is as the document says, and as the command line writes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from query_client import NOON, QueryClient, querying
from query_seeds import ASKED, INCIDENT, seed

from hypocenter.api.query.app import DOCUMENT
from hypocenter.api.query.verdict_example import EXAMPLE
from hypocenter.model import Investigation
from hypocenter.readers import read_cases
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter.stores.investigations import AskedInvestigation, Stage
from hypocenter.stores.live_incidents import Revision
from hypocenter.verdict_json import investigation_to_json, verdict_to_json
from hypocenter_workers.investigate import Options, investigate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.stores.opening import SqlRecords

SHOP = Path(__file__).parents[1] / "fixtures" / "scenarios" / "shop.base"
TWO = "fault crash_loop account at=1h10m severity=0.7\nfault cpu_hog payment at=1h11m severity=0.8 ramp=30s\n"
FAULTS = {
    "two causes": f"{TWO}decoy noisy recommendation at=50m severity=0.4",
    "an external cause": "fault dependency_outage card-network at=1h10m severity=0.9",
    "no cause": "",
}
NUMBER = 3


@pytest.fixture(scope="module", params=[*FAULTS, "everything there is"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Investigation]:
    """The kind of a verdict, and an investigation that came to it."""
    if request.param not in FAULTS:
        return request.param, Investigation(EXAMPLE)
    scenario = read_scenario(f"{SHOP.read_text(encoding='utf-8')}\nlength 1h30m\n{FAULTS[request.param]}")
    case = next(iter(read_cases(write_case(simulate(scenario), tmp_path_factory.mktemp("shop")))))
    options = Options(at=case.started_at, ladder=request.param == "two causes")
    return request.param, investigate(case, options)


@pytest.fixture
def client(records: SqlRecords, found: tuple[str, Investigation]) -> Iterator[QueryClient]:
    seed(records)
    document = investigation_to_json(found[1])
    records.incidents.add_revision(Revision(INCIDENT, NUMBER, NOON, NUMBER, document))
    asked = AskedInvestigation("own", NOON, {"at": NOON.isoformat()}, Stage.DONE, ended_at=NOON)
    records.investigations.add(asked)
    records.investigations.save(replace(asked, version=2), document)
    with querying(records) as asking:
        yield asking


def checked(client: QueryClient, path: str, shape: str) -> Any:
    """Return an answer that is of a shape of the document."""
    document = client.get(DOCUMENT.rpartition("/")[2]).json()
    answer = client.get(path).json()
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document["components"]}
    Draft202012Validator(schema).validate(answer)
    return answer


def test_a_verdict_of_each_kind_is_answered_whole(client: QueryClient, found: tuple[str, Investigation]) -> None:
    kind, verdict = found[0], found[1].verdict
    if kind == "two causes":
        assert len(verdict.causes) == 2
        assert found[1].charts
        assert verdict.robustness
    elif kind == "an external cause":
        assert verdict.causes == ("card-network",)
        assert verdict.suspects[0].counterfactual
    elif kind == "no cause":
        assert verdict.abstained
    published = verdict_to_json(verdict)
    told = checked(client, f"incidents/{INCIDENT}/revisions/{NUMBER}", "RevisionTold")
    assert told["verdict"] == published
    assert checked(client, "investigations/own", "Answered")["verdict"] == published
    suspects = checked(client, f"incidents/{INCIDENT}/suspects?revision={NUMBER}", "Suspects")
    assert suspects["suspects"] == published["suspects"]


def test_a_number_that_is_not_finite_is_null(records: SqlRecords) -> None:
    seed(records)
    with querying(records) as client:
        asked = checked(client, f"investigations/{ASKED}", "Answered")
        told = checked(client, f"incidents/{INCIDENT}/revisions/2", "RevisionTold")
    assert asked["verdict"] == told["verdict"]
    assert asked["verdict"]["suspects"][0]["evidence"][1]["before"] is None


def test_the_example_has_something_in_each_field(records: SqlRecords) -> None:
    with querying(records) as client:
        document = client.get(DOCUMENT.rpartition("/")[2]).json()
    (example,) = document["components"]["schemas"]["Verdict"]["examples"]
    assert example == verdict_to_json(EXAMPLE)
    assert [name for name, value in example.items() if value in (None, [], "")] == []
