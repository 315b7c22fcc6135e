"""Our own tables, JSON lines and exports."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from hypocenter.history.layout import OURS, Layout

if TYPE_CHECKING:
    from hypocenter.history.past_incident import PastIncident

_FIELDS = {name: (name,) for name in OURS} | {"root_component": ("root_component", "root_components")}
CSV = Layout("csv", _FIELDS, separators={"root_component": ";", "labels": ";"})
JSONL = Layout("jsonl", _FIELDS)


def export_line(incident: PastIncident) -> str:
    """Return an incident as one line of JSON, from which an import makes the same one again."""
    record = asdict(incident)
    for name in ("started_at", "resolved_at"):
        record[name] = record[name] and record[name].isoformat()
    return json.dumps({name: value for name, value in record.items() if value}, ensure_ascii=False)
