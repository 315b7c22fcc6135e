"""Causes that several components share and whom they clear: the host, the load from outside, a queue's consumer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, MetricKind
from hypocenter_graph.channels import surge_strength
from hypocenter_graph.cleared import BY_CALLEES, BY_CONSUMERS, BY_GUESTS, BY_HOST, BY_LOAD, Cleared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypocenter_graph.channels import Finding
    from hypocenter_graph.observations import Observations
    from hypocenter_graph.symptoms import Explained
    from hypocenter_graph.topology import Topology

    Known = Mapping[tuple[str, str], Finding]

HOST_CHANNELS = frozenset({"cpu", "memory", "disk", "saturation"})
OWN_USE = frozenset({"cpu", "memory", "disk"})
# What a component suffers when something else is slow, failing or full; exonerated together with its symptoms.
CONSEQUENCES = frozenset(
    {
        "saturation",
        "self_time",
        "memory",
        "log_missing",
        "log_surplus",
        "log_error",
        "calls_missing",
        "calls_surplus",
        "unexplained",
    }
)
SYMPTOMS = frozenset({"latency", "errors"})
TRUST_IN_HOST = 0.8


def exonerate_by_common_cause(
    findings: Sequence[Finding],
    explained: Mapping[tuple[str, str], Explained],
    topology: Topology,
    seen: Observations,
) -> tuple[list[Finding], tuple[Cleared, ...]]:
    """Weaken what a component suffers by the share that its callees, its host, its load or its consumer explain.

    Returns all findings as they then are, and what cleared those that something explains.
    """
    known = {(f.component, f.channel): f for f in findings}
    surge = max((f for f in findings if f.channel == "traffic"), key=lambda f: f.strength, default=None)
    left, cleared = [], []
    for finding in findings:
        reasons = _reasons(finding, known, explained, topology, seen, surge)
        best = max(reasons, key=lambda reason: reason.share, default=None)
        left.append(replace(finding, strength=finding.strength * (1.0 - (best.share if best else 0.0))))
        cleared += [best] if best and best.share > 0 else []
    return left, tuple(cleared)


def _reasons(
    finding: Finding,
    known: Known,
    explained: Mapping[tuple[str, str], Explained],
    topology: Topology,
    seen: Observations,
    surge: Finding | None,
) -> Iterator[Cleared]:
    component, channel = finding.component, finding.channel
    if channel in HOST_CHANNELS and topology.components_type(component) is ComponentType.HOST:
        yield from _by_guests(finding, known, topology)
        return
    if channel in CONSEQUENCES:
        yield from _by_callees(finding, explained)
        yield from _by_consumers(finding, known, topology)
    if channel in CONSEQUENCES | SYMPTOMS:
        yield from _by_host(finding, known, topology)
    if channel in CONSEQUENCES | SYMPTOMS | OWN_USE and surge and topology.callers.get(component):
        yield from _by_load(finding, surge, seen)


def _by_callees(finding: Finding, explained: Mapping[tuple[str, str], Explained]) -> Iterator[Cleared]:
    for channel in sorted(SYMPTOMS):
        reason = explained.get((finding.component, channel))
        if reason is not None:
            yield Cleared(finding, reason.share, BY_CALLEES, reason.by)


def _by_consumers(finding: Finding, known: Known, topology: Topology) -> Iterator[Cleared]:
    for consumer in topology.consumers(finding.component):
        for felt in (known.get((consumer, channel)) for channel in sorted(SYMPTOMS)):
            if felt is not None:
                yield Cleared(finding, felt.strength, BY_CONSUMERS, consumer, felt.deviations)


def _by_host(finding: Finding, known: Known, topology: Topology) -> Iterator[Cleared]:
    """A host that is short of something clears the guest that does not use more of it itself."""
    for host in topology.hosts.get(finding.component, ()):
        for channel in sorted(HOST_CHANNELS):
            short = known.get((host, channel))
            own = known.get((finding.component, channel)) if channel in OWN_USE else None
            if short is not None:
                share = TRUST_IN_HOST * short.strength * (1.0 - (own.strength if own else 0.0))
                yield Cleared(finding, share, BY_HOST, host, short.deviations)


def _by_guests(finding: Finding, known: Known, topology: Topology) -> Iterator[Cleared]:
    for guest in topology.guests.get(finding.component, ()):
        uses = known.get((guest, finding.channel))
        if uses is not None:
            yield Cleared(finding, uses.strength, BY_GUESTS, guest, uses.deviations)


def _by_load(finding: Finding, surge: Finding, seen: Observations) -> Iterator[Cleared]:
    """More work that reaches the component itself while more comes in at the entry."""
    for d in seen.served(finding.component, MetricKind.TRAFFIC):
        yield Cleared(finding, surge.strength * surge_strength(d), BY_LOAD, surge.component, (d,))
