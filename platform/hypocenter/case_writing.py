"""Cases as folders: `case.json` and tables beside it, as `hypocenter.readers.case_folder` reads them."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hypocenter.model import DependencyType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from hypocenter.model import Alert, ChangeEvent, Component, Dependency
    from hypocenter.telemetry import Case, RawTable

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def write_case(case: Case, folder: Path) -> None:
    """Write case.json and metrics.parquet of a case of metrics, alerts and changes into a folder that is there."""
    if case.metrics is not None:
        write_table(folder / "metrics.parquet", case.metrics)
    document = {
        "case_id": case.case_id,
        "dataset": case.dataset or None,
        "system": case.system or None,
        "started_at": time_text(case.started_at),
        "extras": events_document(case.alerts, case.changes),
    }
    write_json(folder / "case.json", document)


def write_table(path: Path, table: RawTable) -> None:
    """Write raw series as Parquet, a column each, named in Prometheus notation."""
    import pandas as pd

    index = pd.DatetimeIndex(table.times, tz="UTC", name="time")
    pd.DataFrame(table.values, index=index, columns=[notation(labels) for labels in table.labels]).to_parquet(path)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document for people to read, too."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def events_document(alerts: Sequence[Alert], changes: Sequence[ChangeEvent]) -> dict[str, Any]:
    """Return alerts and change events as case.json states them under `extras`."""
    return {
        "alerts": [_without_defaults(alert) for alert in alerts],
        "changes": [_without_defaults(change) for change in changes],
    }


def parts_document(components: Sequence[Component], dependencies: Sequence[Dependency]) -> dict[str, Any]:
    """Return components and dependencies as case.json states them."""
    return {
        "dependencies": [
            [d.caller, d.callee] if d.type is DependencyType.CALLS else [d.caller, d.callee, str(d.type)]
            for d in dependencies
        ],
        "components": [{"name": c.name, "type": str(c.type)} for c in components],
    }


def notation(labels: Mapping[str, str]) -> str:
    r"""Return a series' name in Prometheus notation, labels sorted and escaped, names that are no plain words quoted.

    >>> notation({"__name__": "up", "service": "web", "job": "a\"b"}), notation({"__name__": "up"})
    ('up{job="a\\"b",service="web"}', 'up')
    """
    name = labels.get("__name__", "")
    pairs = [f"{_name(key)}={_quoted(labels[key])}" for key in sorted(labels.keys() - {"__name__"})]
    if not _METRIC.fullmatch(name):
        return "{" + ",".join([*([_quoted(name)] if name else []), *pairs]) + "}"
    return name + ("{" + ",".join(pairs) + "}" if pairs else "")


def _name(label: str) -> str:
    return label if _LABEL.fullmatch(label) else _quoted(label)


def _quoted(text: str) -> str:
    return '"' + text.translate(_ESCAPES) + '"'


def time_text(at: datetime | None) -> str | None:
    """Return a moment in ISO 8601, None for none."""
    return None if at is None else at.isoformat()


def _without_defaults(event: Alert | ChangeEvent) -> dict[str, Any]:
    """Return the fields of an event that say something."""
    said = {field.name: getattr(event, field.name) for field in fields(event)}
    return {
        name: time_text(value) if name == "at" else value for name, value in said.items() if value not in (None, "")
    }
