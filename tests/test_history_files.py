"""Exports in any encoding, with any oddity, whole or broken off: all is read and told, or nothing is kept."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from hypocenter.errors import InputError, LimitError
from hypocenter.history.findings import Findings
from hypocenter.history.importing import TOLD_EVERY, import_history, read_history
from hypocenter.history.reading import Reading
from hypocenter.readers.limits import Limits
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypocenter.history.past_incident import PastIncident

    Command = Callable[..., tuple[int, str, str]]

TABLE = "incident_id,started_at,notes\nA,2026-01-31T12:00:00Z,Größe – neu\nB,,\n"


def read(path: Path, source: str = "csv", findings: Findings | None = None, **how: Any) -> list[PastIncident]:
    return list(read_history(path, Reading(source, **how), findings or Findings()))


def written(tmp_path: Path, content: bytes, name: str = "export") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("encoding", "mark", "told"),
    [
        ("utf-8", b"", ""),
        ("utf-8-sig", b"", ""),
        ("utf-16", b"", ""),
        ("utf-16-le", b"", ""),
        ("utf-16-be", b"", ""),
        ("utf-16-be", b"\xfe\xff", ""),
        ("utf-32", b"", ""),
        ("cp1252", b"", "was read as Windows-1252"),
    ],
)
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str, mark: bytes, told: str) -> None:
    findings = Findings()
    first, _ = read(written(tmp_path, mark + TABLE.encode(encoding)), findings=findings)
    assert (first.incident_id, first.notes) == ("A", "Größe – neu")
    assert any(told in note for note in findings.notes) if told else not findings.notes


def test_what_only_latin_1_can_be_is_read_as_such(tmp_path: Path) -> None:
    findings = Findings()
    first, _ = read(written(tmp_path, TABLE.replace("–", "\x81").encode("latin-1")), findings=findings)
    assert first.notes == "Größe \x81 neu"
    assert any("Latin-1" in note for note in findings.notes)


def test_an_encoding_may_be_named(tmp_path: Path) -> None:
    first, _ = read(written(tmp_path, TABLE.encode("cp850", "replace")), encoding="cp850")
    assert first.notes.startswith("Größe")


@pytest.mark.parametrize("name", ["export.csv.gz", "export.csv"])
def test_a_zipped_export_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert len(read(written(tmp_path, gzip.compress(TABLE.encode()), name))) == 2


@pytest.mark.parametrize(
    ("content", "source", "told"),
    [
        (b"", "csv", "is empty"),
        (b" \n\n", "csv", "is empty"),
        (b"incident_id,notes\n", "csv", "no incident in it"),
        (b"[]", "jira", "no incident in it"),
        (gzip.compress(TABLE.encode(), mtime=0)[:-9], "csv", "cannot be read to its end"),
        (TABLE.encode() + b'C,2026-01-31T12:00:00Z,"half', "csv", "line 4: no whole row"),
        (TABLE.encode("utf-16")[:-1], "csv", "not utf-16 at its end"),
        (TABLE.encode() + "C,,ö".encode()[:-1], "csv", "half-written"),
        (b'{"incident_id": "A"}\n{"incident_id": "B', "jsonl", "breaks off in line 2; it is half-written"),
        (b'[{"incident_id": "A"},\n{"incident_id": "B"', "jsonl", "neither a JSON document nor one JSON object a line"),
        (b'{"issues":\n' + b"[" * 200_000, "jira", "neither a JSON document"),
    ],
)
def test_what_breaks_off_or_holds_nothing_is_refused_whole(
    history_command: Command, tmp_path: Path, content: bytes, source: str, told: str
) -> None:
    code, _, error = history_command("import", written(tmp_path, content), "--from", source)
    assert code == 2
    assert told in error
    assert history_command("export")[1] == ""


def test_a_line_that_is_no_json_is_told_with_its_number(tmp_path: Path) -> None:
    findings = Findings()
    path = written(tmp_path, b'{"incident_id": "A"}\n\nnonsense\n[1]\n{"incident_id": "B"}\n')
    assert [each.incident_id for each in read(path, "jsonl", findings)] == ["A", "B"]
    assert {(each.reason, each.fatal, each.examples[0].line) for each in findings.problems} == {
        ("no JSON", True, 3),
        ("no JSON object", True, 4),
    }


def test_reasons_do_not_grow_with_the_rows(tmp_path: Path) -> None:
    findings = Findings()
    rows = "".join(f"{'x' * number} nonsense\n" for number in range(50))
    read(written(tmp_path, f'{{"incident_id": "A"}}\n{rows}'.encode()), "jsonl", findings)
    assert [(each.reason, each.count, len(each.examples)) for each in findings.problems] == [("no JSON", 50, 3)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_told_by_the_header(tmp_path: Path, separator: str) -> None:
    rows = (("incident_id", "title"), ("A", f'"a{separator}b; c"'))
    content = "\r\n".join(separator.join(row) for row in rows)
    (found,) = read(written(tmp_path, content.encode()))
    assert found.title == f"a{separator}b; c"


def test_a_last_line_without_an_end_is_told(tmp_path: Path) -> None:
    findings = Findings()
    assert len(read(written(tmp_path, b"incident_id,notes\nA,grew the vol"), findings=findings)) == 1
    assert any("line 2 has no end" in note for note in findings.notes)


def test_names_of_columns_are_known_however_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path, b"Incident ID,STARTED-AT,rootComponent,\nA,2026-01-31,ledger,\n")
    (found,) = read(path)
    assert (found.incident_id, found.root_components) == ("A", ("ledger",))
    assert found.started_at is not None


def test_a_table_of_something_else_says_which_field_is_missing(history_command: Command, tmp_path: Path) -> None:
    path = written(tmp_path, b"city,people\nUlm,120000\nKiel,250000\n")
    code, told, error = history_command("import", path, "--from", "csv")
    assert code == 2
    assert "2 x incident_id: no incident_id (line 2, line 3)" in told
    assert "not used     city (2), people (2)" in told
    assert "2 of 2 rows are no incidents" in error
    assert "say with --mapping which field holds it, as `fields: {incident_id: NAME}`" in error


def test_json_may_come_as_a_list_a_page_or_pages_on_lines(tmp_path: Path) -> None:
    issue = {"key": "A-1", "fields": {"summary": "x"}}
    page = json.dumps({"issues": [issue]})
    forms = (json.dumps([issue]), page, json.dumps(json.loads(page), indent=1), f"{page}\n{page}\n")
    found = [read(written(tmp_path, form.encode()), "jira") for form in forms]
    assert [len(each) for each in found] == [1, 1, 1, 2]
    assert len({tuple(each) for each in found[:3]}) == 1


@pytest.mark.parametrize(
    ("source", "records", "more"),
    [
        ("pagerduty", {"incidents": [{"id": "A"}]}, {"more": True}),
        ("opsgenie", {"data": [{"id": "A"}]}, {"paging": {"next": "https://api.opsgenie.com/v2/alerts?offset=1"}}),
        ("jira", {"issues": [{"key": "A-1"}], "startAt": 50}, {"total": 52}),
        ("jira", {"issues": [{"key": "A-1"}]}, {"nextPageToken": "x", "isLast": False}),
    ],
)
def test_a_page_that_is_not_the_last_is_told(
    tmp_path: Path, source: str, records: dict[str, Any], more: dict[str, Any]
) -> None:
    first, last, both = Findings(), Findings(), Findings()
    read(written(tmp_path, json.dumps(records | more).encode()), source, first)
    read(written(tmp_path, json.dumps(records).encode()), source, last)
    read(written(tmp_path, f"{json.dumps(records | more)}\n{json.dumps(records)}\n".encode()), source, both)
    assert any("the answer says that there is more" in note for note in first.notes)
    assert not any("there is more;" in note for note in (*last.notes, *both.notes))


def test_a_text_that_no_store_holds_is_replaced_and_told(tmp_path: Path) -> None:
    findings = Findings()
    (found,) = read(written(tmp_path, b'{"incident_id": "A", "title": "a\\u0000b\\ud800"}'), "jsonl", findings)
    assert found.title == "a\ufffdb?"
    assert [each.place for each in findings.problems] == ["title"]


def test_texts_labels_and_roots_without_end_are_cut_and_told(tmp_path: Path) -> None:
    findings = Findings()
    record = {
        "incident_id": "A",
        "notes": "n" * 30_000,
        "labels": [f"l{number}" for number in range(300)],
        "root_component": [f"c{number}" for number in range(99)],
        "symptom_component": "s" * 600,
    }
    (found,) = read(written(tmp_path, json.dumps(record).encode()), "jsonl", findings)
    assert (len(found.notes), len(found.labels), len(found.root_components)) == (20_000, 100, 50)
    assert found.symptom_component == ""
    assert {each.place for each in findings.problems} == {"notes", "labels", "root_component", "symptom_component"}


@pytest.mark.parametrize(
    ("content", "source"), [(b"incident_id,x\nA,1\n,2\n", "csv"), (b'{"key": "A"}\n\n[]\n{}\n', "jsonl")]
)
def test_lines_are_counted_from_the_top_of_the_file(tmp_path: Path, content: bytes, source: str) -> None:
    whole, lower = Findings(), Findings()
    read(written(tmp_path, content), source, whole)
    read(written(tmp_path, b"\n \n" + content), source, lower)
    lines = [[each.examples[0].line for each in findings.problems] for findings in (whole, lower)]
    assert [line + 2 for line in lines[0]] == lines[1] != []


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    findings = Findings()
    (found,) = read(written(tmp_path, f"incident_id,notes\nA,{'n' * 200_000}\n".encode()), findings=findings)
    assert len(found.notes) == 20_000
    assert [each.place for each in findings.problems] == ["notes"]


def test_a_record_of_texts_without_end_is_told(tmp_path: Path) -> None:
    findings = Findings()
    record = json.dumps({"incident_id": "A", "x": [1] * 60_000})
    assert read(written(tmp_path, f'{record}\n{{"incident_id": "B"}}\n'.encode()), "jsonl", findings)[0].key == "B"
    assert [each.reason for each in findings.problems] == ["more than 50,000 texts in one incident"]


def test_limits_hold_for_what_is_unpacked_too(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(b"incident_id\n" + b"A\n" * 500_000))
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_FILE_BYTES"):
        read(path, limits=Limits(file_bytes=500_000))


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="a line is longer"):
        read(written(tmp_path, b"incident_id\n" + b"A" * 5_000_000))


def test_a_file_that_makes_up_names_without_end_is_refused(tmp_path: Path) -> None:
    records = [json.dumps({"incident_id": "A", **{f"{row}-{at}": 1 for at in range(500)}}) for row in range(30)]
    with pytest.raises(LimitError, match="different names of fields"):
        read(written(tmp_path, "\n".join(records).encode()), "jsonl")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


def test_a_long_import_tells_how_far_it_is(tmp_path: Path) -> None:
    rows = "".join(f"INC-{number},2026-01-31T12:00:00Z\n" for number in range(2 * TOLD_EVERY + 1))
    told: list[str] = []
    file = written(tmp_path, f"incident_id,started_at\n{rows}".encode())
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        counts = import_history(file, Reading("csv"), records.history, Findings(), progress=told.append)
    assert counts.new == 2 * TOLD_EVERY + 1
    assert told == ["10,000 incidents read", "20,000 incidents read"]
