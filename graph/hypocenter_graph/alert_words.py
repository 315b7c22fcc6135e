"""What to say of the alerts on a component: how many of which kinds, of how many in all, and when."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypocenter.catalog import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import Alert

MOST_NAMED = 3


def told_of(own: Sequence[Alert], fired: Sequence[Alert]) -> str:
    """Write of a component's `own` alerts among all that `fired`; at least one is its own.

    >>> from hypocenter.model import Alert
    >>> told_of([Alert("db", "cpu", state="up")], [Alert("db", "cpu", state="up"), Alert("web", "slow")])
    '1 of 2 alerts: cpu up'
    """
    return f"{len(own)} of {len(fired)} alerts{_when(own, fired)}: {_which(own)}"


def _which(own: Sequence[Alert]) -> str:
    counts = Counter(" ".join(filter(None, (alert.name, alert.state))) for alert in own)
    often = sorted(counts, key=lambda words: (-counts[words], words))
    named = [words if counts[words] == 1 else f"{counts[words]}x {words}" for words in often[:MOST_NAMED]]
    more = len(often) - len(named)
    return ", ".join(named) + (f" and {more} more kinds" if more > 1 else " and 1 more kind" if more else "")


def _when(own: Sequence[Alert], fired: Sequence[Alert]) -> str:
    dated = [alert.at for alert in own if alert.at]
    if not dated:
        return ""
    late_s = (min(dated) - min(alert.at for alert in fired if alert.at)).total_seconds()
    return f", {format_value(late_s, 's')} after the first of all" if late_s else ", the first of all among them"
