"""What holds for any export: no crash, nothing lost without a word, and an export that comes back as it was."""

from __future__ import annotations

import csv
import io
import json
import string
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.arguments import parse_time
from hypocenter.errors import HypocenterError
from hypocenter.history.findings import Findings
from hypocenter.history.importing import read_history
from hypocenter.history.mapping import read_mapping
from hypocenter.history.own import export_line
from hypocenter.history.past_incident import PastIncident
from hypocenter.history.reading import Reading
from hypocenter.history.sources import SOURCES
from hypocenter.history.times import read_time
from hypocenter.history.wording import findings_rows, findings_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

FIXTURES = Path(__file__).parents[1] / "fixtures" / "history"
WHOLE = {path.name: path.read_bytes() for path in sorted(FIXTURES.iterdir()) if path.suffix != ".yaml"}
few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)
names = texts.filter(bool)
times = st.none() | st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
several = st.lists(names, max_size=4, unique=True).map(tuple)
incidents = st.builds(
    PastIncident,
    incident_id=names,
    source=names,
    key=names,
    title=texts,
    system=texts,
    started_at=times,
    resolved_at=times,
    symptom_component=texts,
    root_components=several,
    fault_type=texts,
    severity=texts,
    confirmed_by=texts,
    change=texts,
    notes=texts,
    labels=several,
    url=texts,
)


def read(path: Path, source: str, **how: Any) -> tuple[list[PastIncident], Findings]:
    findings = Findings()
    return list(read_history(path, Reading(source, **how), findings)), findings


def saved(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "export"
    path.write_text(content, encoding="utf-8", newline="")
    return path


@few
@given(st.lists(incidents, min_size=1, max_size=5))
def test_an_export_comes_back_as_it_was(tmp_path: Path, past: list[PastIncident]) -> None:
    path = saved(tmp_path, "".join(f"{export_line(each)}\n" for each in past))
    for source in ("hypocenter", "jsonl"):
        found, findings = read(path, source)
        assert found == past
        assert not findings.unused


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


@few
@given(st.lists(incidents, min_size=1, max_size=5))
def test_a_table_says_what_an_export_says(tmp_path: Path, past: list[PastIncident]) -> None:
    columns = ("incident_id", "source", "key", "title", "started_at", "fault_type", "notes")
    rows = ([str(getattr(each, name) or "") for name in columns] for each in past)
    found, _ = read(saved(tmp_path, table(columns, rows)), "csv")
    assert [[getattr(each, name) for name in columns] for each in found] == [
        [getattr(each, name) for name in columns] for each in past
    ]


@few
@given(st.permutations(["incident_id", "started_at", "root_component", "fault_type", "other"]))
def test_the_order_of_columns_says_nothing(tmp_path: Path, order: list[str]) -> None:
    cells = {
        "incident_id": "A",
        "started_at": "2026-01-31",
        "root_component": "db;web",
        "fault_type": "cpu",
        "other": "x",
    }
    found, _ = read(saved(tmp_path, table(order, [[cells[name] for name in order]])), "csv")
    assert (found[0].incident_id, found[0].root_components, found[0].fault_type) == ("A", ("db", "web"), "cpu")


@pytest.mark.parametrize("source", SOURCES)
@few
@given(content=st.binary(max_size=200) | st.text(string.printable, max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path: Path, source: str, content: bytes) -> None:
    path = tmp_path / "export"
    path.write_bytes(content)
    assert accounted_for(path, source)


@pytest.mark.parametrize("name", WHOLE)
@few
@given(at=st.floats(0, 1), cut=st.booleans(), spoilt=st.binary(max_size=4))
def test_spoilt_exports_are_read_or_refused_in_one_line(
    tmp_path: Path, name: str, at: float, cut: bool, spoilt: bytes
) -> None:
    whole = WHOLE[name]
    place = int(at * len(whole))
    path = tmp_path / name
    path.write_bytes(whole[:place] + spoilt + (b"" if cut else whole[place + len(spoilt) :]))
    assert accounted_for(path, {"own.csv": "csv", "own.jsonl": "jsonl"}.get(name, name.split(".")[0].split("_")[0]))


FIELDS = (
    "id",
    "key",
    "number",
    "fields",
    "issuelinks",
    "type",
    "inwardIssue",
    "custom_fields",
    "name",
    "value",
    "link",
    "display_value",
    "cmdb_ci",
    "opened_at",
    "created_at",
    "service",
    "data",
    "issues",
    "result",
    "events",
    "case_id",
    "incident_id",
    "started_at",
    "labels",
    "root_component",
    "details",
    "x.y",
)
fields = st.sampled_from(FIELDS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("source", SOURCES)
@few
@given(value=json_values)
def test_any_json_is_read_or_refused_in_one_line(tmp_path: Path, source: str, value: object) -> None:
    assert accounted_for(saved(tmp_path, json.dumps(value)), source)


def accounted_for(path: Path, source: str) -> str:
    """Return what is told of an import.

    Every row is an incident or has its reason, and the report of it can be written; or one line says why not.
    """
    findings = Findings()
    try:
        found = list(read_history(path, Reading(source), findings))
    except HypocenterError as error:
        told = str(error)
    else:
        told = "\n".join(map(" ".join, findings_rows(findings)))
        refused = sum(each.count for each in findings.problems if each.fatal)
        assert findings.rows == len(found) + refused
        assert findings.understood == len(found)
        assert all(each.incident_id and each.source and each.key for each in found)
        json.dumps(findings_to_json(findings), allow_nan=False)
    return told


mapping_keys = st.sampled_from(["components", "fault_types", "fields", "key", "/(a+)/", "/(/", "web"])
meanings = st.sampled_from(["web", "\\1", "\\2", "\\g<x>", "\\", "", None, 7]) | st.text(max_size=3)
mappings = st.recursive(meanings, lambda inner: st.dictionaries(mapping_keys | meanings, inner, max_size=3))


@few
@given(mappings)
def test_any_mapping_is_read_or_refused_in_one_line(tmp_path: Path, mapping: object) -> None:
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping), encoding="utf-8")
    try:
        terms = read_mapping(tmp_path / "mapping.yaml").component
    except HypocenterError as error:
        told = str(error)
    else:
        told = "".join(map(terms, ("", "a", "aaa", "web"))) or "nothing"
    assert told


moments = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1))  # noqa: DTZ001
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, zones)
def test_a_time_with_a_zone_is_the_same_however_it_is_written(moment: datetime, zone: timezone) -> None:
    aware = moment.replace(tzinfo=zone)
    forms = (aware.isoformat(), aware.isoformat(" "), aware.strftime("%Y-%m-%dT%H:%M:%S.%f%z"))
    assert {read_time(form, UTC) for form in forms} == {(aware.astimezone(UTC), False)}


@given(moments, zones)
def test_a_time_without_a_zone_is_read_in_the_zone_that_is_named(moment: datetime, zone: timezone) -> None:
    minute = moment.replace(second=0, microsecond=0)
    wanted = minute.replace(tzinfo=zone).astimezone(UTC), True
    year = f"{minute:%Y}"
    named = f"{minute:%d/%b}/{year} {minute:%I:%M %p}"
    assert read_time(minute.isoformat(), zone) == read_time(named, zone) == wanted
    assert read_time(f"{minute:%d.%m}.{year} {minute:%H:%M}", zone, "%d.%m.%Y %H:%M") == wanted


@given(st.integers(10**9, 4 * 10**9), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_unix_times_are_read_as_on_the_command_line(seconds: int, per_second: int) -> None:
    text = str(seconds * per_second)
    assert read_time(text, UTC)[0] == parse_time(text) == datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    "text",
    ["02/03/2026", "31/Feb/26 3:45 PM", "12/Foo/26", "12/Jan/26 13:00 PM", "now", "1", "2026-13-01", "9999-01-01"],
)
def test_what_is_no_time_or_could_be_two_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_time(text, UTC)
