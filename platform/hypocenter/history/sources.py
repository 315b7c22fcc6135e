"""The tools whose exports are understood."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypocenter.history.layout import Layout

_LAYOUTS = {
    "pagerduty": "pagerduty.LAYOUT",
    "servicenow": "servicenow.LAYOUT",
    "jira": "jira.LAYOUT",
    "opsgenie": "opsgenie.LAYOUT",
    "csv": "own.CSV",
    "jsonl": "own.JSONL",
    "hypocenter": "hypocenter.LAYOUT",
}
SOURCES = tuple(_LAYOUTS)


def layout_of(source: str) -> Layout:
    """Return how one of `SOURCES` writes incidents down."""
    module, _, name = _LAYOUTS[source].partition(".")
    layout: Layout = getattr(import_module(f"hypocenter.history.{module}"), name)
    return layout
