"""Files that say what metrics measure where their names do not, or mislead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model import MetricKind
from hypocenter.naming import UNITS
from hypocenter.readers.limits import limits_from_settings
from hypocenter.readers.statements import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIELDS = ("kind", "unit")


def read_overrides(path: Path) -> Mapping[str, Mapping[str, str]]:
    """Return what a JSON file says of metrics: a name or regular expression to `kind` and `unit`, either left out.

    Raises InputError that names the entry and the fix.
    """
    return overrides_of(read_json(path, limits_from_settings()), str(path))


def overrides_of(value: Any, where: str) -> Mapping[str, Mapping[str, str]]:
    """Check overrides that came from outside; `where` begins every message.

    >>> overrides_of({"lod": {"kind": "traffic"}}, "kinds.json")
    {'lod': {'kind': 'traffic'}}
    """
    if not isinstance(value, dict):
        raise InputError(f'{where}: must be an object, as {{"METRIC": {{"kind": "latency", "unit": "ms"}}}}')
    return {pattern: _checked(fields, f"{where}: {pattern!r}", pattern) for pattern, fields in value.items()}


def _checked(fields: Any, where: str, pattern: str) -> Mapping[str, str]:
    if not isinstance(fields, dict) or not fields or set(fields) - set(FIELDS):
        raise InputError(f"{where} must be an object with {' and/or '.join(FIELDS)}")
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(f"{where} is no regular expression: {error}") from error
    kinds = [kind.value for kind in MetricKind]
    if fields.get("kind", kinds[0]) not in kinds:
        raise InputError(f"{where}: kind {fields['kind']!r} is not known; choose from {', '.join(kinds)}")
    unit = fields.get("unit", "s")
    if not isinstance(unit, str) or unit.lower() not in UNITS:
        raise InputError(f"{where}: unit {unit!r} is not known; choose from {', '.join(sorted(UNITS))}")
    return dict(fields)
