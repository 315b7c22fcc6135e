"""Components that look guilty and are not: who or what clears each, with the numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from hypocenter.catalog import describe
from hypocenter.model import RuledOut
from hypocenter_graph.cleared import (
    BESIDE,
    BY_CALLEES,
    BY_CALLS,
    BY_CONSUMERS,
    BY_GUESTS,
    BY_HOST,
    BY_LOAD,
    TOO_LATE,
)
from hypocenter_graph.evidence import LEAST_EXPLAINED, exoneration
from hypocenter_graph.rank import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypocenter_graph.channels import Finding
    from hypocenter_graph.cleared import Cleared
    from hypocenter_graph.rank import Ranking

LOOKS_GUILTY = 0.1
LEAST_CLEARED = 0.5
LOST = "in the calls to it: by itself it shows no trouble"
EXPLAINED_BY = {
    BY_HOST: "{}, which it runs on",
    BY_GUESTS: "{}, which runs on it",
    BY_CONSUMERS: "{}, which drains it",
    BY_LOAD: "more traffic at {}",
}


def ruled_out(ranking: Ranking, spared: frozenset[str], reachable: Mapping[str, int] | None) -> tuple[RuledOut, ...]:
    """Say of components that look guilty and are no suspects what clears them: one line each, the surest first.

    `spared` are not asked about, and `reachable` is all that the symptom leans on, None where that is not known.
    """
    sure = sorted([*_by_callees(ranking), *_by_others(ranking)], key=lambda told: (-told[0], told[1].component))
    found: dict[str, RuledOut] = {}
    for line in (*(line for _, line in sure), *_by_time(ranking), *_by_the_graph(ranking, reachable)):
        if line.component not in spared:
            found.setdefault(line.component, line)
    return tuple(found.values())


def _by_callees(ranking: Ranking) -> Iterator[tuple[float, RuledOut]]:
    """Components all of whose symptoms are a callee's, or lie in their calls to one that shows nothing itself."""
    shares: dict[str, dict[str, float]] = defaultdict(dict)
    for (component, channel), explained in ranking.explained.items():
        shares[component][channel] = explained.share
    for component, by_channel in shares.items():
        channel = max(sorted(by_channel), key=lambda c: by_channel[c])
        explained = ranking.explained[component, channel]
        if min(by_channel.values()) >= LEAST_EXPLAINED:
            reason = exoneration(ranking.symptoms[component, channel], explained)
            unwell = any(other == explained.by for other, _ in ranking.symptoms)
            line = (reason, BY_CALLEES) if unwell else (f"{reason}, {LOST}", BY_CALLS)
            yield explained.share, RuledOut(component, *line)


def _by_others(ranking: Ranking) -> Iterator[tuple[float, RuledOut]]:
    """Components of which a host, a guest, a consumer or the load explains the most, so that little is left."""
    left = {s.component: max((_weight(f) for f, _ in s.findings), default=0.0) for s in ranking.scored}
    guests = Counter(host for _, host in {(c.finding.component, c.by) for c in ranking.cleared if c.test == BY_HOST})
    for cleared in ranking.cleared:
        component, weight = cleared.finding.component, _weight(cleared.finding)
        clears = cleared.test in EXPLAINED_BY and cleared.share >= LEAST_CLEARED and weight > LOOKS_GUILTY
        if clears and left.get(component, 0.0) <= (1.0 - LEAST_CLEARED) * weight:
            yield cleared.share, RuledOut(component, _reason(cleared, guests[cleared.by]), cleared.test)


def _weight(finding: Finding) -> float:
    return WEIGHTS[finding.channel] * finding.strength


def _reason(cleared: Cleared, guests: int) -> str:
    """Write a finding and what explains it: `cart CPU rose from 1 cores to 2 cores, 80% explained by ...`."""
    told = cleared.finding.deviations[0]
    by = EXPLAINED_BY[cleared.test].format(cleared.by)
    beside = (
        f" with {guests - 1} more that suffer{'s' if guests == 2 else ''}"
        if cleared.test == BY_HOST and guests > 1
        else ""
    )
    shown = "".join(f": {describe(d.series, d.before, d.after)}" for d in cleared.shown[:1])
    what = describe(told.series, told.before, told.after)
    return f"{what}, {cleared.share:.0%} explained by {by}{beside}{shown}"


def _by_time(ranking: Ranking) -> Iterator[RuledOut]:
    """Components against which little speaks but a change that came after the onset."""
    scores = {scored.component: scored.score for scored in ranking.scored}
    for cleared in ranking.cleared:
        component = cleared.finding.component
        if cleared.test == TOO_LATE and scores.get(component, 0.0) <= LOOKS_GUILTY:
            yield RuledOut(component, cleared.finding.text, TOO_LATE)


def _by_the_graph(ranking: Ranking, reachable: Mapping[str, int] | None) -> Iterator[RuledOut]:
    for scored in ranking.scored if reachable is not None else ():
        if scored.score > LOOKS_GUILTY and scored.component not in (reachable or ()):
            yield RuledOut(scored.component, "out of its normal, but the symptom does not depend on it", BESIDE)
