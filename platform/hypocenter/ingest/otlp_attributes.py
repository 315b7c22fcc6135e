"""Values of OTLP attributes as the text of a label.

Source: OpenTelemetry specification, "Common", Attribute to string: texts as they are, everything else as JSON.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from hypocenter.errors import InputError

_MOST_NESTED = 16
_SPECIAL = {math.inf: "Infinity", -math.inf: "-Infinity"}


def attribute_text(value: Any) -> str:
    """Return a text, number, truth value, bytes, list or map (nested at most 16 deep) as text; None is "".

    >>> attribute_text(True), attribute_text(5), attribute_text(0.5), attribute_text(["a", {"b": b"c"}])
    ('true', '5', '0.5', '["a",{"b":"Yw=="}]')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    plain = _plain(value, _MOST_NESTED)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any, depth: int) -> Any:
    """What JSON can say of a value: bytes in base64, and numbers that are none as words."""
    if depth == 0:
        raise InputError(f"an attribute is nested more than {_MOST_NESTED} deep; send it flat")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return _SPECIAL.get(value, "NaN")
    if isinstance(value, list):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {key: _plain(value[key], depth - 1) for key in sorted(value)}
    return value
