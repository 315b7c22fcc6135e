"""The deviations of an incident, looked up by component, edge and kind."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hypocenter.catalog import KINDS
from hypocenter.model import MetricKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter_graph.deviation import Deviation


@dataclass(frozen=True)
class Observations:
    """All deviations of an incident, looked up.

    `own[c]` are of the component itself, `edges[caller, callee]` of calls between two, `touched` are the ends of calls
    and `called[c]` the deviations of all calls to c.
    """

    own: Mapping[str, tuple[Deviation, ...]]
    edges: Mapping[tuple[str, str], tuple[Deviation, ...]]
    touched: frozenset[str] = frozenset()
    called: Mapping[str, tuple[Deviation, ...]] = field(default_factory=dict)

    def of_kind(self, component: str, *kinds: MetricKind) -> tuple[Deviation, ...]:
        """Return the component's own deviations of some kinds, the machine below it left out."""
        found = [ds for kind in kinds if (ds := self._by_kind.get((component, kind)))]
        if len(found) <= 1:
            return found[0] if found else ()
        return tuple(d for d in self.own[component] if d.series.kind in kinds and not d.series.host)

    @cached_property
    def _by_kind(self) -> dict[tuple[str, MetricKind], tuple[Deviation, ...]]:
        found: dict[tuple[str, MetricKind], list[Deviation]] = defaultdict(list)
        for component, ds in self.own.items():
            for d in ds:
                if not d.series.host:
                    found[component, d.series.kind].append(d)
        return {key: tuple(ds) for key, ds in found.items()}

    def served(self, component: str, *kinds: MetricKind) -> tuple[Deviation, ...]:
        """Return deviations of what the component serves: as it sees it, or else as its callers see its calls."""
        own = self.of_kind(component, *kinds)
        if own:
            return tuple(d for d in own if d.series.side != "client") or own
        calls = tuple(d for d in self.called.get(component, ()) if d.series.kind in kinds)
        return tuple(d for d in calls if d.series.side != "client") or calls

    def serving(self) -> list[str]:
        """Return the components of which something is known as servers, by themselves or by their callers."""
        return [*self.own, *(c for c in self.called if c not in self.own)]

    def groups(self) -> frozenset[str]:
        """Return the groups of metric kinds of which any series is observed: `latency`, `errors`, `resource`, ..."""
        kinds = {d.series.kind for of in (self.own, self.edges) for ds in of.values() for d in ds}
        return frozenset(KINDS[kind].group for kind in kinds)

    def rate(self, component: str) -> float | None:
        """Return the requests per second that the component serves during the incident, or None when not observed."""
        rates = [d for d in self.served(component, MetricKind.TRAFFIC) if d.after == d.after]
        return max((max(d.before, d.after) if d.before == d.before else d.after for d in rates), default=None)


def observe(deviations: Iterable[Deviation]) -> Observations:
    """Index deviations by component and by edge."""
    own: dict[str, list[Deviation]] = defaultdict(list)
    edges: dict[tuple[str, str], list[Deviation]] = defaultdict(list)
    for deviation in deviations:
        series = deviation.series
        if series.peer is None:
            own[series.component].append(deviation)
        else:
            ends = (series.component, series.peer)
            edges[ends if series.side == "client" else ends[::-1]].append(deviation)
    called: dict[str, list[Deviation]] = defaultdict(list)
    for (_, callee), found in edges.items():
        called[callee] += found
    return Observations(
        {c: tuple(ds) for c, ds in own.items()},
        {ends: tuple(ds) for ends, ds in edges.items()},
        frozenset(end for ends in edges for end in ends),
        {c: tuple(ds) for c, ds in called.items()},
    )
