"""Causes that several components share and whom they clear: the host, the load from outside, a queue's consumer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, MetricKind
from hypocenter_graph.channels import surge_strength

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter_graph.channels import Finding
    from hypocenter_graph.observations import Observations
    from hypocenter_graph.symptoms import Explained
    from hypocenter_graph.topology import Topology

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
) -> list[Finding]:
    """Weaken what a component suffers by the share that its callees, its host, its load or its consumer explain."""
    strengths = _strengths(findings)
    surge = max((f.strength for f in findings if f.channel == "traffic"), default=0.0)
    return [
        replace(
            finding, strength=finding.strength * (1.0 - _cleared(finding, strengths, explained, topology, seen, surge))
        )
        for finding in findings
    ]


def _strengths(findings: Sequence[Finding]) -> dict[tuple[str, str], float]:
    return {(f.component, f.channel): f.strength for f in findings}


def _cleared(
    finding: Finding,
    strengths: Mapping[tuple[str, str], float],
    explained: Mapping[tuple[str, str], Explained],
    topology: Topology,
    seen: Observations,
    surge: float,
) -> float:
    component, channel = finding.component, finding.channel
    if channel in HOST_CHANNELS and topology.components_type(component) is ComponentType.HOST:
        return _by_guests(component, channel, strengths, topology)
    share = 0.0
    if channel in CONSEQUENCES:
        share = max(share, _by_callees(component, explained), _by_consumers(component, strengths, topology))
    if channel in CONSEQUENCES | SYMPTOMS:
        share = max(share, _by_host(component, strengths, topology))
    if channel in CONSEQUENCES | SYMPTOMS | OWN_USE and surge:
        share = max(share, surge * _surged(component, seen) if topology.callers.get(component) else 0.0)
    return share


def _by_callees(component: str, explained: Mapping[tuple[str, str], Explained]) -> float:
    return max((explained[component, c].share for c in SYMPTOMS if (component, c) in explained), default=0.0)


def _by_consumers(component: str, strengths: Mapping[tuple[str, str], float], topology: Topology) -> float:
    consumers = topology.consumers(component)
    return max((strengths.get((c, channel), 0.0) for c in consumers for channel in SYMPTOMS), default=0.0)


def _by_host(component: str, strengths: Mapping[tuple[str, str], float], topology: Topology) -> float:
    """A host that is short of something clears the guest that does not use more of it itself."""
    share = 0.0
    for host in topology.hosts.get(component, ()):
        for channel in HOST_CHANNELS:
            own = strengths.get((component, channel), 0.0) if channel in OWN_USE else 0.0
            share = max(share, TRUST_IN_HOST * strengths.get((host, channel), 0.0) * (1.0 - own))
    return share


def _by_guests(host: str, channel: str, strengths: Mapping[tuple[str, str], float], topology: Topology) -> float:
    return max((strengths.get((guest, channel), 0.0) for guest in topology.guests.get(host, ())), default=0.0)


def _surged(component: str, seen: Observations) -> float:
    """How much more work reaches the component itself, 0 to 1."""
    return max((surge_strength(d) for d in seen.served(component, MetricKind.TRAFFIC)), default=0.0)
