"""Charts kept beside the document of a verdict: most of its bytes, which only a report needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CHARTS = "charts"


def apart(document: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return a document without its charts, and those as JSON text, None where it has none.

    >>> apart({"charts": [], "verdict": {}})
    ({'verdict': {}}, '[]')
    """
    rest = {name: value for name, value in document.items() if name != CHARTS}
    return rest, json.dumps(document[CHARTS], sort_keys=True) if CHARTS in document else None


def together(document: Mapping[str, Any], charts: str | None) -> dict[str, Any]:
    """Return the document that `apart` took its charts from; raises ValueError when they are no JSON.

    >>> together({"verdict": {}}, "[]")
    {'charts': [], 'verdict': {}}
    """
    return {**({} if charts is None else {CHARTS: json.loads(charts)}), **document}
