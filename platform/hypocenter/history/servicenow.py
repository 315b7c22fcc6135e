"""ServiceNow: the incident table of its Table API, and its lists exported as CSV or JSON.

Field names: ServiceNow REST API reference, "Table API"; column labels: the stock list of incidents.
"""

from __future__ import annotations

from typing import Any

from hypocenter.history.layout import Layout
from hypocenter.history.row import canonical

# How ServiceNow comes to close incidents; none of it says what was broken.
_STOCK_CLOSE_CODES = (
    "Closed/Resolved by Caller",
    "Duplicate",
    "Known error",
    "No resolution provided",
    "Not Solved (Not Reproducible)",
    "Not Solved (Too Costly)",
    "Resolved by caller",
    "Resolved by change",
    "Resolved by problem",
    "Resolved by request",
    "Solution provided",
    "Solved (Permanently)",
    "Solved (Work Around)",
    "Solved Remotely (Permanently)",
    "Solved Remotely (Work Around)",
    "User error",
    "Workaround provided",
)
_PARTS = frozenset({"value", "display_value", "link"})
_TIMES = frozenset({"opened_at", "resolved_at", "closed_at", "sys_created_on", "sys_updated_on", "work_start"})


def prepare(record: dict[str, Any], _where: str) -> dict[str, Any]:
    """Return a record whose values are texts: a reference's name where it is told, and a time as it is kept.

    Times are kept in UTC and shown in the zone of whoever asks; neither says its zone.
    """
    return {name: _plain(name, value) for name, value in record.items()}


def _plain(name: str, value: Any) -> Any:
    if not isinstance(value, dict) or not _PARTS.issuperset(value):
        return value
    shown, kept = value.get("display_value"), value.get("value")
    if name in _TIMES and kept:
        return f"{kept}Z"
    return shown or kept or str(value.get("link") or "").rpartition("/")[2]


LAYOUT = Layout(
    "servicenow",
    {
        # Every export has the number; a list that people export seldom has the sys_id.
        "key": ("number", "sys_id"),
        "incident_id": ("number", "sys_id"),
        "title": ("short_description",),
        "started_at": ("opened_at", "opened", "sys_created_on", "created"),
        "resolved_at": ("resolved_at", "resolved", "closed_at", "closed"),
        "symptom_component": ("business_service", "service", "service_offering"),
        "root_component": ("u_root_component", "cmdb_ci", "configuration_item", "cmdb_ci.name"),
        "fault_type": ("u_fault_type", "close_code", "resolution_code"),
        "severity": ("priority", "severity"),
        "change": ("caused_by", "caused_by_change", "rfc", "change_request"),
        "notes": ("close_notes", "resolution_notes"),
    },
    labels=(
        ("close_code", "close_code"),
        ("close_code", "resolution_code"),
        ("category", "category"),
        ("subcategory", "subcategory"),
        ("problem", "problem_id"),
        ("problem", "problem"),
        ("parent", "parent_incident"),
        ("parent", "parent"),
        ("group", "assignment_group"),
    ),
    lists=("result", "records"),
    prepare=prepare,
    not_fault_types=frozenset(map(canonical, _STOCK_CLOSE_CODES)),
)
