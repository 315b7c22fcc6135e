"""Telemetry that was read from a metrics server, as a case folder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypocenter.case_writing import write_case
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from hypocenter.history.past_incident import PastIncident
    from hypocenter.telemetry import Case


def folder_name(incident: PastIncident) -> str:
    """Return the name of an incident's folder, which no other incident's has, whatever tools call theirs.

    >>> from hypocenter.history.past_incident import PastIncident
    >>> folder_name(PastIncident("A/1", "jira", "A/1"))
    'jira-A%2F1'
    """
    return "-".join(
        re.sub(r"[^A-Za-z0-9_.]", lambda found: f"%{ord(found[0]):02X}", text)
        for text in (incident.source, incident.key)
    )


def write_fetched_case(case: Case, incident: PastIncident, folder: Path) -> None:
    """Write case.json and metrics.parquet whole, into a folder that is not there yet, or nothing.

    Raises InputError when it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".writing-", dir=folder.parent) as unfinished:
            draft = Path(unfinished) / "case"
            draft.mkdir()
            write_case(_of(incident, case), draft)
            draft.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another folder") from error


def _of(incident: PastIncident, case: Case) -> Case:
    return replace(
        case,
        case_id=incident.incident_id,
        dataset=incident.source,
        system=incident.system,
        started_at=incident.started_at,
    )
