"""Units that a name leaves open: what the values themselves say about the scale of a share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import MetricKind

if TYPE_CHECKING:
    from hypocenter.naming import Measure
    from hypocenter.telemetry import Values

_FILLINGS = (MetricKind.MEMORY, MetricKind.DISK, MetricKind.SATURATION)


def settle(measure: Measure, values: Values) -> Measure:
    """Decide a unit that the name of a metric leaves open, from all samples that bear the name.

    A share above 1.5 is a percentage. A filling stated in percent that never passes 1 is a share: nothing is less than
    1 % full everywhere at all times. Errors with no unit are a share while they stay within 0 to 1.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return measure
    most = float(np.max(np.abs(finite)))
    if measure.stated:
        is_share = measure.unit == "share" and measure.kind in _FILLINGS and measure.scale == 0.01 and most <= 1.0
        return replace(measure, scale=1.0) if is_share else measure
    return _settle_unstated(measure, most)


def _settle_unstated(measure: Measure, most: float) -> Measure:
    if measure.unit == "share":
        return replace(measure, scale=0.01) if most > 1.5 else measure
    if measure.kind is MetricKind.ERRORS and measure.unit == "" and "rate" in measure.family:
        return replace(measure, unit="share" if most <= 1.0 else "1/s")
    if measure.kind is MetricKind.MEMORY and most <= 100:
        return replace(measure, unit="share", scale=1.0 if most <= 1.5 else 0.01)
    return measure
