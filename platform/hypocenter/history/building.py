"""Rows of any tool to past incidents, and what was not understood on the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypocenter.history.layout import NO_ID, OURS
from hypocenter.history.past_incident import PastIncident
from hypocenter.history.row import BadRow, canonical
from hypocenter.history.times import read_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter.history.findings import Findings
    from hypocenter.history.layout import Layout
    from hypocenter.history.reading import Reading
    from hypocenter.history.row import Row

    # An incident, and those of its fields (and names of labels, as `labels:NAME`) that its row does not speak of.
    Told = tuple[PastIncident, frozenset[str]]

LONGEST_ID = 200
LONGEST_NAME = 500
LONGEST_TEXT = 20_000
MOST_LABELS = 100
MOST_ROOTS = 50
_IDS = dict.fromkeys(("incident_id", "key", "source"), LONGEST_ID)
_CUT = {"notes": LONGEST_TEXT, "title": 2_000}
_LONGEST = {**_IDS, **_CUT, "url": 2_000, "telemetry": 4_000}


class NoIncidentError(Exception):
    """A row makes no incident: for what is in which of our fields, and why."""

    def __init__(self, place: str, reason: str, text: str = "") -> None:
        super().__init__(reason)
        self.place, self.reason, self.text = place, reason, text


class Builder:
    """Makes incidents of the rows of one layout, and tells `findings` what it could not make of them."""

    def __init__(self, layout: Layout, reading: Reading, findings: Findings) -> None:
        self._layout = layout.with_fields(reading.mapping.fields)
        self._fields = self._layout.canonical_fields()
        self._labels = [(name, canonical(theirs)) for name, theirs in layout.labels]
        self._used = {name for names in self._fields.values() for name in names} | {name for _, name in self._labels}
        self._said_by = _said_by(self._fields, self._labels)
        self._reading, self._mapping, self._findings = reading, reading.mapping, findings

    def incidents(self, rows: Iterable[Row | BadRow]) -> Iterator[Told]:
        """Yield the incidents of the rows that make one, each with what its row does not speak of.

        The others are counted in the findings.
        """
        for row in rows:
            self._findings.rows += 1
            if isinstance(row, BadRow):
                self._findings.problem(row.line, "row", row.reason, row.value, fatal=True)
                continue
            self._findings.unused.update(name for name, texts in row.fields.items() if texts and name not in self._used)
            try:
                incident = self._incident(row)
            except NoIncidentError as error:
                self._findings.problem(row.line, error.place, error.reason, error.text, fatal=True)
                continue
            self._count(incident, row.line)
            yield (
                incident,
                frozenset(ours for ours, theirs in self._said_by.items() if not any(map(row.speaks_of, theirs))),
            )

    def _incident(self, row: Row) -> PastIncident:
        incident_id = self._one(row, "incident_id") or self._one(row, "key")
        if not incident_id:
            raise NoIncidentError("incident_id", NO_ID)
        return PastIncident(
            incident_id=incident_id,
            source=self._one(row, "source") or self._layout.source,
            key=self._one(row, "key") or incident_id,
            title=self._one(row, "title"),
            system=self._one(row, "system"),
            started_at=self._time(row, "started_at"),
            resolved_at=self._time(row, "resolved_at"),
            symptom_component=self._mapping.component(self._one(row, "symptom_component")),
            root_components=self._roots(row),
            fault_type=self._fault_type(row),
            severity=self._one(row, "severity"),
            confirmed_by=self._one(row, "confirmed_by"),
            change=self._one(row, "change"),
            notes=self._one(row, "notes"),
            labels=self._all_labels(row),
            url=self._one(row, "url"),
            telemetry=self._telemetry(row),
        )

    def _texts(self, row: Row, ours: str) -> Sequence[str]:
        for name in self._fields.get(ours, ()):
            if texts := row.fields.get(name):
                return texts
        return ()

    def _one(self, row: Row, ours: str) -> str:
        texts = self._texts(row, ours)
        return self._clean(row, ours, texts[0]) if texts else ""

    def _several(self, row: Row, ours: str) -> list[str]:
        mark = self._layout.separators.get(ours)
        texts = self._texts(row, ours)
        parts = [part.strip() for text in texts for part in text.split(mark)] if mark else texts
        return [self._clean(row, ours, part) for part in parts if part]

    def _clean(self, row: Row, ours: str, text: str) -> str:
        """Return a text that every store can hold, of a length that it may have."""
        if "\0" in text or not (text.isascii() or _is_unicode(text)):
            self._findings.problem(row.line, ours, "characters that are no text were replaced", text)
            text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
        longest = _LONGEST.get(ours, LONGEST_NAME)
        if len(text) <= longest:
            return text
        return self._too_long(row, ours, text, longest)

    def _too_long(self, row: Row, ours: str, text: str, longest: int) -> str:
        if ours in _CUT:
            self._findings.problem(row.line, ours, f"cut to {longest:,} characters", text)
            return text[:longest]
        reason = f"longer than {longest:,} characters"
        if ours in _IDS:
            raise NoIncidentError(ours, reason, text)
        self._findings.problem(row.line, ours, reason, text)
        return ""

    def _time(self, row: Row, ours: str) -> datetime | None:
        """Return a time; a row whose beginning cannot be read is no incident, since that puts it in order."""
        text = self._one(row, ours)
        if not text:
            return None
        try:
            time, naive = read_time(text, self._reading.zone, self._reading.time_format)
        except (ValueError, OverflowError) as error:
            if ours == "started_at":
                raise NoIncidentError(ours, self._no_time(), text) from error
            self._findings.problem(row.line, ours, self._no_time(), text)
            return None
        if naive:
            self._findings.note(f"times without a zone were read as {self._reading.zone}; --timezone names another")
        return time

    def _no_time(self) -> str:
        form = self._reading.time_format
        return f"not a time as --time-format {form!r} says" if form else _NO_TIME

    def _telemetry(self, row: Row) -> str:
        attachments, stated = self._reading.attachments, self._one(row, "telemetry")
        if found := attachments.folder_of(self._ids(row)):
            return found
        try:
            return attachments.place(stated) if stated else ""
        except ValueError as error:
            self._findings.problem(row.line, "telemetry", str(error), stated)
            return stated

    def _ids(self, row: Row) -> list[str]:
        """Return all that names the incident: people may have named its folder by any."""
        theirs = (*self._fields.get("incident_id", ()), *self._fields.get("key", ()))
        return [text for name in theirs for text in row.fields.get(name, ())]

    def _roots(self, row: Row) -> tuple[str, ...]:
        meant = map(self._mapping.component, self._several(row, "root_component"))
        return self._first(row, "root_component", list(dict.fromkeys(filter(None, meant))), MOST_ROOTS)

    def _first(self, row: Row, ours: str, values: list[str], most: int) -> tuple[str, ...]:
        if len(values) > most:
            self._findings.problem(row.line, ours, f"only the first {most} were kept", str(len(values)))
        return tuple(values[:most])

    def _fault_type(self, row: Row) -> str:
        stated = self._one(row, "fault_type")
        mapped = self._mapping.fault_type(stated)
        return "" if mapped == stated and canonical(stated) in self._layout.not_fault_types else mapped

    def _all_labels(self, row: Row) -> tuple[str, ...]:
        bare = self._several(row, "labels")
        named = (
            f"{name}:{self._clean(row, 'labels', text)}" if name else self._clean(row, "labels", text)
            for name, theirs in self._labels
            for text in row.fields.get(theirs, ())
        )
        return self._first(row, "labels", list(dict.fromkeys((*bare, *named))), MOST_LABELS)

    def _count(self, incident: PastIncident, line: int) -> None:
        findings = self._findings
        findings.understood += 1
        findings.filled.update(ours for ours in _COUNTED if getattr(incident, ours))
        if not findings.is_new(incident.source, incident.key):
            findings.repeated += 1
            findings.problem(line, "incident_id", _AGAIN, incident.incident_id)
        if incident.fault_type:
            findings.value(findings.fault_types, incident.fault_type)
        for name in filter(None, dict.fromkeys((incident.symptom_component, *incident.root_components))):
            self._count_component(name, line)
        if incident.started_at and incident.resolved_at and incident.resolved_at < incident.started_at:
            findings.problem(line, "resolved_at", "before started_at", incident.resolved_at.isoformat())

    def _count_component(self, name: str, line: int) -> None:
        self._findings.value(self._findings.components, name)
        if _OPAQUE.fullmatch(name):
            self._findings.problem(line, "component", "an identifier, no name; export names or map it", name)


_NO_TIME = "not a time that is understood; --time-format says how times are written, as '%d/%m/%Y %H:%M'"
_AGAIN = "incident ID is there more than once; the last one counts"
# What ServiceNow (sys_id), Opsgenie and others call a component by where its name was not exported.
_OPAQUE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIELD_OF = {"root_component": "root_components"}
_COUNTED = tuple(PastIncident.__dataclass_fields__)


def _said_by(fields: Mapping[str, Sequence[str]], labels: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the fields of the tool that fill each field of an incident, and each name of a label, "" for bare ones."""
    found = {_FIELD_OF.get(ours, ours): list(fields.get(ours, ())) for ours in OURS if ours not in _IDS}
    found["labels:"] = found.pop("labels")
    for name, theirs in labels:
        found.setdefault(f"labels:{name}", []).append(theirs)
    return found


def _is_unicode(text: str) -> bool:
    """Whether no half of a surrogate pair stands alone, as JSON may write it and no store takes it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
