"""One component, one name: what a name that a source uses is the name of.

A name becomes another by these rules, the first that applies, again and again until none does:

1. The user's override: a name, or a regular expression that matches it wholly.
2. An alias that a source proves (`ComponentClaim.aliases`). Where two sources claim it for two components the more
   trusted one is followed; where one source does, none is.
3. What a name that is no target of 1 or 2 shows by its form. A URL is its host, without user and path. A port is
   dropped where the host is known or has a single label, never from `localhost`. `cart.shop.svc` and
   `cart.shop.svc.cluster.local` are `shop/cart` or `cart`, whichever is known; a pod's name before them is the pod
   where it is known. Host names (of a URL, with a port, or of what a source says is a host or outside) differ by more
   than case. An IP address is what an alias says it is.

Pods and instances stay components of their own. But who calls, publishes, consumes or depends is the workload: the
one that the pod is an `INSTANCE_OF`, or else the known one whose name the pod's begins with, as Kubernetes builds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, DependencyType
from hypocenter.signals.components import type_of, workload_of
from hypocenter_graph.claims import precedence
from hypocenter_graph.identity_aliases import is_address, proven_aliases, proven_names
from hypocenter_graph.identity_overrides import NO_OVERRIDES
from hypocenter_graph.renaming import doers, lifted, names_in, renamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered
    from hypocenter_graph.identity_overrides import Overrides

_URL = re.compile(r"[a-z][a-z0-9+.:-]*://(?:[^/?#]*@)?(?P<host>[^/?#@,\s]+)(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
_PORT = re.compile(r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\]):\d{1,5}", re.IGNORECASE | re.ASCII)
_DNS = re.compile(
    r"(?:(?P<pod>[^.]+)\.)?(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc(?:\.[a-z0-9.-]+)?", re.IGNORECASE
)
_PLACED = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?P<service>[a-z0-9.-]+)(?P<pod>)", re.ASCII)
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+", re.IGNORECASE | re.ASCII)
_ORDINAL = re.compile(r".*-\d+", re.DOTALL)
_OUTER = frozenset({ComponentType.HOST, ComponentType.EXTERNAL})
INSTANCES = frozenset({ComponentType.POD, ComponentType.INSTANCE})


@dataclass(frozen=True)
class Identity:
    """What every name is the name of; `find_identity` makes one of all that sources say.

    `aliases` names other names that are proven, `known` the names that components go by. `types` holds what is known
    of a component's type, `workloads` the workload of a pod or instance, `namespaces` those in which a name of
    Kubernetes' DNS was seen; `notes` tell which aliases contradict each other. Raises InputError when overrides and
    aliases lead back to where they begin.
    """

    overrides: Overrides
    aliases: Mapping[str, str]
    known: frozenset[str]
    types: Mapping[str, ComponentType] = field(default_factory=dict)
    workloads: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    _proven: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _targets: frozenset[str] = field(init=False, repr=False, compare=False)
    _hosts: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        stated = self.overrides.components_of({*self.aliases, *self.aliases.values(), *self.overrides.targets})
        proven = proven_names({**self.aliases, **stated})
        object.__setattr__(self, "_proven", proven)
        object.__setattr__(self, "_targets", frozenset(proven.values()) | self.overrides.targets)
        object.__setattr__(self, "_hosts", _host_names(self.known, self.types))

    def resolve(self, name: str) -> str:
        """Return the name of the component that `name` is a name of: `name` itself where nothing says otherwise."""
        return self.resolve_all((name,))[name]

    def resolve_all(self, names: Iterable[str]) -> dict[str, str]:
        """Return `resolve` of each name; for many names this is much faster."""
        return _ends(names, self._steps)

    def other_names(self, names: Iterable[str]) -> dict[str, str]:
        """Return what to remember of each name as another name of its component; left out is what its form shows.

        That is a URL or port around it. An address, which passes from one to the next, is left to who proves it.
        """
        kept = _ends(names, self._bare_steps)
        meant = self.resolve_all(kept)
        return {name: bare for name, bare in kept.items() if bare != meant[name] and not is_address(bare)}

    def workload(self, name: str) -> str:
        """Return the workload that a pod or instance is part of, `name` itself for all else; `name` is resolved.

        Without proof only names that end as a ReplicaSet's or DaemonSet's pods do are pods, for `shop-2` may be a
        service.
        """
        if name in self.workloads:
            return self.workloads[name]
        if self.types.get(name, ComponentType.POD) is not ComponentType.POD:
            return name
        if name not in self.types and _ORDINAL.fullmatch(name):
            return name
        found = workload_of(name)
        return self.resolve(found) if found in self.known or found in self._proven else name

    def _steps(self, names: set[str]) -> dict[str, str]:
        stated = self.overrides.components_of(names)
        return {name: stated.get(name) or self._proven.get(name) or self._by_form(name) for name in names}

    def _bare_steps(self, names: set[str]) -> dict[str, str]:
        stated = self.overrides.components_of(names)
        return {name: name if name in stated or name in self._proven else self._bare(name) for name in names}

    def _by_form(self, name: str) -> str:
        bare = self._bare(name)
        if bare != name or self._is_fixed(name):
            return bare
        dns = _DNS.fullmatch(name.removesuffix("."))
        return (next(self._inside(dns), None) if dns else None) or self._host(name)

    def _is_fixed(self, name: str) -> bool:
        return name in self._targets or self.types.get(name) in INSTANCES

    def _bare(self, name: str) -> str:
        """Return a name without the URL or the port around it, one step at a time."""
        if self._is_fixed(name):
            return name
        url = _URL.fullmatch(name)
        if url:
            return name if self._is_queue(name) else self._spelled(url["host"])
        port = _PORT.fullmatch(name)
        host = port["host"].strip("[]") if port else name
        return self._spelled(host) if host != name and self._is_whole(host) else name

    def _is_queue(self, url: str) -> bool:
        """Whether a URL names one queue of a broker: as a source says, or as those of clouds show, reached by HTTP."""
        type_ = type_of(url) if url.lower().startswith("http") else ComponentType.SERVICE
        return self.types.get(url) is ComponentType.QUEUE or type_ is ComponentType.QUEUE

    def _is_whole(self, host: str) -> bool:
        """Whether a host stands for one component, whatever the port."""
        if is_address(host):
            return host in self._proven
        return host.lower() != "localhost" and ("." not in host or self._knows(host) or bool(_DNS.fullmatch(host)))

    def _inside(self, dns: re.Match[str]) -> Iterator[str]:
        """Yield the known components that a name of Kubernetes' DNS may mean, the best first."""
        home = frozenset({dns["namespace"]})
        for label in (dns["pod"], dns["service"]):
            if label and f"{dns['namespace']}/{label}" in self.known:
                yield f"{dns['namespace']}/{label}"
            elif label and self._knows(label) and self.namespaces.get(label, home) == home:
                yield label

    def _knows(self, name: str) -> bool:
        return name in self.known or name in self._proven or name.lower() in self._hosts

    def _host(self, name: str) -> str:
        bare = name.removesuffix(".")
        is_host = self.types.get(name) in _OUTER or (bare != name and _HOST.fullmatch(bare))
        return self._spelled(bare) if is_host else name

    def _spelled(self, host: str) -> str:
        """Return the known spelling of what is surely the name of a host."""
        return self._hosts.get(host.lower(), host) if _is_host(host, self.types) else host


def _ends(names: Iterable[str], steps: Callable[[set[str]], Mapping[str, str]]) -> dict[str, str]:
    """Return where each name leads to, a step after the other."""
    found: dict[str, str] = {}
    waiting = {name: name for name in names}
    while waiting:
        after = steps(set(waiting.values()))
        found |= {name: at for name, at in waiting.items() if after[at] == at}
        waiting = {name: after[at] for name, at in waiting.items() if after[at] != at}
    return found


def _host_names(known: Iterable[str], types: Mapping[str, ComponentType]) -> dict[str, str]:
    """Return one spelling of each known host name, by its lower case: that one, if it is known."""
    found: dict[str, str] = {}
    for name in sorted(known):
        if _is_host(name, types) and not name.endswith("."):
            found[name.lower()] = name if name == name.lower() else found.get(name.lower(), name)
    return found


def _is_host(name: str, types: Mapping[str, ComponentType]) -> bool:
    return types.get(name) is ComponentType.HOST or bool(_HOST.fullmatch(name) and not is_address(name))


def find_identity(sources: Iterable[Discovered], overrides: Overrides = NO_OVERRIDES) -> Identity:
    """Return what names mean by all that `sources` say, which may hold what a store knows already, and by the user.

    Contradictions are in `notes` of the identity. Raises InputError when overrides lead back to where they begin.
    """
    found = tuple(sources)
    claims = [claim for one in found for claim in one.components]
    dependencies = [claim for one in found for claim in one.dependencies]
    aliases, notes = proven_aliases(claims, overrides)
    known = frozenset({claim.name for claim in claims} | {end for d in dependencies for end in (d.caller, d.callee)})
    names = known.union(*(claim.aliases for claim in claims))
    types = {c.name: c.type for c in sorted(claims, key=_by_trust, reverse=True) if c.type}
    identity = Identity(overrides, aliases, known, types, namespaces=_namespaces(names), notes=notes)
    return replace(identity, workloads=_workloads(dependencies, identity))


def _by_trust(claim: ComponentClaim | DependencyClaim) -> tuple[int, str]:
    return precedence(claim.source)


def _namespaces(names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the namespaces in which `namespace/name` and names of Kubernetes' DNS place services and pods."""
    found: dict[str, frozenset[str]] = {}
    for name in names:
        dns = _DNS.fullmatch(name.removesuffix(".")) or _PLACED.fullmatch(name)
        if dns:
            for label in filter(None, (dns["pod"], dns["service"])):
                found[label] = found.get(label, frozenset()) | {dns["namespace"]}
    return found


def _workloads(dependencies: Iterable[DependencyClaim], identity: Identity) -> dict[str, str]:
    """Return the workload of each pod and instance, by the most trusted source that says one."""
    parts = [d for d in dependencies if d.type is DependencyType.INSTANCE_OF]
    names = identity.resolve_all({end for d in parts for end in (d.caller, d.callee)})
    parts.sort(key=lambda d: (_by_trust(d), d.callee), reverse=True)
    instances = INSTANCES | {None}
    return {names[d.caller]: names[d.callee] for d in parts if identity.types.get(d.caller) in instances}


def resolved(discovered: Discovered, identity: Identity, gap: timedelta = timedelta(0)) -> Discovered:
    """Return what a source found under the names of its components, with a note of what was renamed.

    Nothing is dropped: a former name that its form does not explain is an alias of its component, and claims that
    became equal are joined; rates of calls that were seen at the same time add up. Intervals at most `gap` apart
    become one.
    """
    names = identity.resolve_all(names_in(discovered))
    changed = [name for name, to in names.items() if name != to]
    placed = renamed(discovered, names, identity.other_names(changed), gap)
    workloads = {name: identity.workload(name) for name in doers(placed)}
    pods = {name: workload for name, workload in workloads.items() if workload != name}
    return lifted(placed, pods, pods.keys() - identity.workloads.keys(), gap) if pods else placed
