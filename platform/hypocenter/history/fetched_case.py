"""Telemetry that was read from a metrics server, as a case folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.simulator.case import notation

if TYPE_CHECKING:
    from hypocenter.history.past_incident import PastIncident
    from hypocenter.telemetry import Case, RawTable


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
            text = json.dumps(_document(case, incident), indent=1, ensure_ascii=False)
            (draft / "case.json").write_text(text + "\n", encoding="utf-8")
            if case.metrics is not None:
                _write_table(draft / "metrics.parquet", case.metrics)
            draft.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another folder") from error


def _document(case: Case, incident: PastIncident) -> dict[str, Any]:
    began = incident.started_at
    alerts = [
        {
            "at": alert.at.isoformat() if alert.at else None,
            "component": alert.component,
            "name": alert.name or None,
            "severity": alert.severity or None,
            "summary": alert.summary or None,
        }
        for alert in case.alerts
    ]
    return {
        "case_id": incident.incident_id,
        "dataset": incident.source,
        "system": incident.system or None,
        "started_at": began.isoformat() if began else None,
        "extras": {"alerts": alerts},
    }


def _write_table(path: Path, table: RawTable) -> None:
    import pandas as pd

    index = pd.DatetimeIndex(table.times, tz="UTC", name="time")
    pd.DataFrame(table.values, index=index, columns=[notation(labels) for labels in table.labels]).to_parquet(path)
