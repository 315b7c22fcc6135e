"""The component that a stored series speaks of, found once: when the series is first seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.identify import measure_once, owner_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.batches import Labels
    from hypocenter.signals.identify import Measures


def component_of_series(
    labels: Labels, known: Measures | None = None, order: Sequence[str] = DEFAULT_COMPONENT_LABELS
) -> str:
    """Name the component of a series, as `hypocenter.signals.resolve` does; "" where no label tells.

    `known` makes many series quick: it holds what their metrics' names tell, and what is found now. `order`: labels
    that may name the component, best first.

    >>> component_of_series((("__name__", "up"), ("job", "shop"), ("pod", "cart-7d4b9c6f5d-x2x7k")))
    'cart'
    >>> component_of_series((("__name__", "up"),))
    ''
    """
    named = dict(labels)
    return owner_of(named, measure_once(named, None, {} if known is None else known), order) or ""
