"""Raw telemetry to signals: one set of canonical series per component and per edge."""

from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.resolve import resolve

__all__ = ["DEFAULT_COMPONENT_LABELS", "resolve"]
