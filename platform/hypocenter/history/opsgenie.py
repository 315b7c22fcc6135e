"""Opsgenie: incidents and alerts of its API, and its export files, as JSON or CSV.

Field names: Opsgenie API, "Incident API" and "Alert API".
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from hypocenter.history.layout import Layout
from hypocenter.history.times import read_time

_DETAILS = ("extraProperties", "extra_properties", "details")


def _detail(*names: str) -> tuple[str, ...]:
    """Return where a property that people add by hand may be."""
    return (*(f"{details}.{name}" for details in _DETAILS for name in names), *names)


def prepare(record: dict[str, Any], _where: str) -> dict[str, Any]:
    """Return an alert with the time of its end, which it states in milliseconds since its beginning."""
    report = record.get("report")
    lasted = report.get("closeTime") if isinstance(report, dict) else None
    if not isinstance(lasted, int) or record.get("closedAt"):
        return record
    try:
        began, _ = read_time(str(record.get("createdAt")), UTC)
        return {**record, "closedAt": (began + timedelta(milliseconds=lasted)).isoformat()}
    except (ValueError, OverflowError):
        # The beginning is told as not understood when it is read for itself.
        return record


LAYOUT = Layout(
    "opsgenie",
    {
        "key": ("id", "incident_id", "alert_id"),
        "incident_id": ("tinyId", "tiny_id", "id", "incident_id", "alert_id"),
        "title": ("message",),
        "started_at": ("impactStartDate", "impact_start_date", "createdAt", "created_at", "creation_time"),
        "resolved_at": ("impactEndDate", "impact_end_date", "resolvedAt", "resolved_at", "closedAt", "closed_at"),
        "symptom_component": ("impactedServices.name", "impactedServices", "impacted_services", "entity", "service"),
        "root_component": _detail("root_component", "root_cause_service"),
        "fault_type": _detail("fault_type", "root_cause_category"),
        "severity": ("priority",),
        "change": _detail("change", "deployment"),
        "notes": _detail("resolution", "resolution_note"),
        "labels": ("tags",),
        "url": ("links.web",),
    },
    labels=(
        ("status", "status"),
        ("team", "ownerTeam"),
        ("team", "teams"),
        ("impacted", "impactedServices.name"),
        ("impacted", "impactedServices"),
        ("impacted", "impacted_services"),
        ("alias", "alias"),
    ),
    separators={"labels": ","},
    lists=("data", "incidents", "alerts"),
    prepare=prepare,
)
