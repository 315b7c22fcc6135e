"""The components that a stored series speaks of, found once: when the series is first seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.edges import CALLEE_LABELS, CALLER_LABELS
from hypocenter.signals.identify import measure_once, owner_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypocenter.batches import Labels
    from hypocenter.signals.identify import Measures

ENDS = frozenset({*CALLER_LABELS, *CALLEE_LABELS, "peer"})


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


def ends_of(labels: Labels) -> Iterator[str]:
    """Yield the names that the ends of an edge may go by.

    >>> list(ends_of((("__name__", "calls"), ("server", "cart.shop.svc:80"))))
    ['cart.shop.svc:80', 'cart.shop.svc', 'cart']
    """
    for name, value in labels:
        if name in ENDS:
            yield from dict.fromkeys((value, value.rpartition(":")[0] or value, value.partition(".")[0]))
