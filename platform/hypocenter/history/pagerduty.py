"""PagerDuty: incidents and raw analytics of its REST API, and the tables that it exports.

Field names: PagerDuty REST API v2, "List incidents" and "Get raw data: multiple incidents".
"""

from __future__ import annotations

from typing import Any

from hypocenter.history.layout import Layout


def prepare(record: dict[str, Any], _where: str) -> dict[str, Any]:
    """Return a record whose custom fields, which come as a list of names and values, are fields like any other.

    Where `resolved_at` is missing, as in older answers, a resolved incident's last change of status was its end.
    """
    ended = record.get("resolved_at")
    if record.get("status") == "resolved":
        ended = ended or record.get("last_status_change_at")
    custom = record.get("custom_fields")
    if isinstance(custom, list):
        custom = {
            str(each["name"]): each.get("value") for each in custom if isinstance(each, dict) and each.get("name")
        }
    known = {"resolved_at": ended, "custom_fields": custom}
    return {**record, **{name: value for name, value in known.items() if value is not None}}


LAYOUT = Layout(
    "pagerduty",
    {
        # The number is unique in an account and is in every shape; the table alone may lack the id.
        "key": ("incident_number", "number", "id", "incident_id"),
        "incident_id": ("incident_number", "number", "id", "incident_id"),
        "title": ("title", "incident_title", "description", "summary"),
        "started_at": ("created_at", "created_on", "created", "incident_start"),
        "resolved_at": ("resolved_at", "resolved_on", "resolved"),
        "symptom_component": ("service.summary", "service.name", "service_name", "service"),
        "root_component": ("custom_fields.root_component", "custom_fields.root_cause_service", "root_component"),
        "fault_type": ("custom_fields.fault_type", "custom_fields.root_cause_category", "fault_type"),
        "severity": ("priority.summary", "priority.name", "priority_name", "priority", "urgency"),
        "notes": ("resolve_note", "resolution_note", "custom_fields.resolution"),
        "url": ("html_url",),
    },
    labels=(
        ("urgency", "urgency"),
        ("team", "teams.summary"),
        ("team", "team_name"),
        ("type", "incident_type.name"),
        ("resolve_reason", "resolve_reason.type"),
    ),
    lists=("incidents", "data"),
    prepare=prepare,
)
