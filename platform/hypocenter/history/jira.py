"""Jira: issues of its REST API, and its CSV export, in which column names repeat.

Field names: Jira Cloud REST API v3 and Jira Server REST API, "Search for issues"; columns: "Export CSV (all fields)".
"""

from __future__ import annotations

from typing import Any

from hypocenter.history.layout import Layout


def prepare(record: dict[str, Any], _where: str) -> dict[str, Any]:
    """Return an issue with its links as plain lists: `caused_by`, and `linked` for all."""
    fields = record.get("fields")
    links = fields.get("issuelinks") if isinstance(fields, dict) else None
    if not isinstance(fields, dict) or not isinstance(links, list):
        return record
    ends = [end for link in links if isinstance(link, dict) for end in _ends(link)]
    others = {name: value for name, value in fields.items() if name != "issuelinks"}
    causes = [key for relation, key in ends if "caused by" in relation.lower()]
    return {**record, "fields": others, "caused_by": causes, "linked": [key for _, key in ends]}


def _ends(link: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the other issue of a link and what it is to this one: Jira tells one direction of the two."""
    kind = link.get("type") if isinstance(link.get("type"), dict) else {}
    found = ((str((kind or {}).get(way) or ""), link.get(f"{way}Issue")) for way in ("inward", "outward"))
    return [(relation, str(issue["key"])) for relation, issue in found if isinstance(issue, dict) and issue.get("key")]


LAYOUT = Layout(
    "jira",
    {
        # The id stays when an issue is moved to another project; its key does not.
        "key": ("id", "issue_id", "key", "issue_key"),
        "incident_id": ("key", "issue_key", "id", "issue_id"),
        "title": ("fields.summary", "summary"),
        "system": ("fields.project.key", "project_key"),
        "started_at": (
            "fields.incident_start",
            "Custom field (Incident start)",
            "Custom field (Start time)",
            "fields.created",
            "created",
        ),
        "resolved_at": ("fields.resolutiondate", "resolved", "resolution_date"),
        "symptom_component": ("Custom field (Affected services)", "Affected services"),
        "root_component": ("fields.components.name", "component/s", "components"),
        "fault_type": ("Custom field (Fault type)", "Custom field (Root cause category)", "Fault type"),
        "severity": ("Custom field (Severity)", "fields.priority.name", "priority"),
        "change": (
            "caused_by",
            "Inward issue link (Problem/Incident)",
            "Inward issue link (Causes)",
            "Inward issue link (Cause)",
        ),
        "notes": ("Custom field (Resolution notes)", "Custom field (Root cause)", "Custom field (Workaround)"),
        "labels": ("fields.labels", "labels"),
    },
    labels=(
        ("type", "fields.issuetype.name"),
        ("type", "issue_type"),
        ("resolution", "fields.resolution.name"),
        ("resolution", "resolution"),
        ("link", "linked"),
        ("link", "Inward issue link (Problem/Incident)"),
        ("link", "Outward issue link (Problem/Incident)"),
        ("link", "Inward issue link (Relates)"),
        ("link", "Outward issue link (Relates)"),
    ),
    lists=("issues",),
    prepare=prepare,
)
