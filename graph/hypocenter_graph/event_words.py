"""What to say of dated events: alerts on a component, in numbers, and changes of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypocenter.catalog import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import Alert, ChangeEvent

MOST_NAMED = 3


def of_alerts(own: Sequence[Alert], fired: Sequence[Alert]) -> str:
    """Write how many alerts of which kinds a component has of all that `fired`, and when; at least one is its `own`.

    >>> from hypocenter.model import Alert
    >>> of_alerts([Alert("db", "cpu", state="up")], [Alert("db", "cpu", state="up"), Alert("web", "slow")])
    '1 of 2 alerts: cpu up'
    """
    return f"{len(own)} of {len(fired)} alerts{_when(own, fired)}: {_which(own)}"


def of_change(event: ChangeEvent) -> str:
    """Name a change by its type and its title, or its reference; once where that begins with the type.

    >>> from datetime import datetime
    >>> from hypocenter.model import ChangeEvent
    >>> of_change(ChangeEvent("db", datetime(2026, 3, 3), "deploy", "v2"))
    'deploy v2'
    """
    title = event.title or event.reference
    return title if title.lower().startswith(event.type) else f"{event.type} {title}".strip()


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
