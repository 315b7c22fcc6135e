"""Which aliases hold when sources contradict each other, and where a chain of names ends."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter_graph.claims import precedence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hypocenter_graph.claims import ComponentClaim
    from hypocenter_graph.identity_overrides import Overrides

_Claimed = dict[str, dict[str, tuple[int, str]]]
_ADDRESS = re.compile(r"[0-9.]+(?::\d{1,5})?|\[?[0-9a-f]*:[0-9a-f:.]+\]?(?::\d{1,5})?", re.IGNORECASE | re.ASCII)


def is_address(name: str) -> bool:
    """Whether a name is an IP address, with a port or without: one that passes from one component to the next.

    >>> is_address("10.0.0.7"), is_address("[::1]:80"), is_address("cart:80")
    (True, True, False)
    """
    return _ADDRESS.fullmatch(name) is not None


def proven_aliases(claims: Iterable[ComponentClaim], overrides: Overrides) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the component of each alias that sources claim and users do not override, and notes of contradictions.

    The most trusted source that claims an alias is followed; where it claims one for two components, nobody is. An
    address is first of all that of the component that had it last.
    """
    claimed = _claimed(_with_last_addresses(tuple(claims)))
    stated = overrides.components_of({*claimed, *(name for owners in claimed.values() for name in owners)})
    ends = _Ends(stated)
    notes: list[str] = []
    for alias in sorted(claimed, key=lambda alias: (len(claimed[alias]) > 1, min(claimed[alias].values()), alias)):
        if alias not in stated:
            notes += _follow(alias, claimed[alias], ends)
    return {alias: ends.steps[alias] for alias in claimed if alias in ends.steps and alias not in stated}, tuple(notes)


def _with_last_addresses(claims: Sequence[ComponentClaim]) -> Iterator[ComponentClaim]:
    """Yield claims without the addresses that the same source saw with another component later."""
    last: dict[tuple[str, str], datetime] = {}
    for claim in claims:
        for alias in filter(is_address, claim.aliases):
            key = claim.source, alias
            last[key] = max(last.get(key, _begun(claim)), _begun(claim))
    for claim in claims:
        old = {alias for alias in claim.aliases if _begun(claim) < last.get((claim.source, alias), _begun(claim))}
        yield replace(claim, aliases=tuple(alias for alias in claim.aliases if alias not in old)) if old else claim


def _begun(claim: ComponentClaim) -> datetime:
    """Return since when a component was last seen."""
    return max((interval.first for interval in claim.seen), default=datetime.min.replace(tzinfo=UTC))


def _claimed(claims: Iterable[ComponentClaim]) -> _Claimed:
    """Return, for each alias, the components that it is claimed for and the best source that does.

    A component that is placed in a namespace by an alias, as `cart` by `default/cart`, claims its own name too: that
    is no other name of a component in another namespace.
    """
    claimed: _Claimed = {}
    placed: list[tuple[str, tuple[int, str]]] = []
    for claim in claims:
        by = precedence(claim.source)
        for alias in claim.aliases:
            if alias != claim.name:
                owners = claimed.setdefault(alias, {})
                owners[claim.name] = min(by, owners.get(claim.name, by))
            if alias.rpartition("/")[2] == claim.name:
                placed.append((claim.name, by))
    for name, by in placed:
        if name in claimed:
            claimed[name][name] = min(by, claimed[name].get(name, by))
    return claimed


def _follow(alias: str, owners: Mapping[str, tuple[int, str]], ends: _Ends) -> list[str]:
    """Link an alias to its component, unless two are as good or it leads back; return a note where sources differ."""
    best = min(owners.values())
    meant = {ends.of(name) for name, source in owners.items() if source == best}
    said = ", ".join(repr(name[:80]) for name in sorted(owners)[:5])
    if len(meant) > 1:
        return [f"{best[1]}: {alias[:80]!r} is said to be {said}, which differ; it stays a component of its own"]
    end = meant.pop()
    if end != ends.of(alias):
        ends.steps[alias] = end
    others = {ends.of(name) for name in owners} - {end}
    return [f"{alias[:80]!r} is said to be {said}; it is read as {end[:80]!r}, as {best[1]} says"] if others else []


class _Ends:
    """Where chains of names end; chains are shortened as they are walked."""

    def __init__(self, steps: Mapping[str, str]) -> None:
        self.steps = proven_names(steps)

    def of(self, name: str) -> str:
        """Return the name at the end of the chain from `name`."""
        walked = []
        while name in self.steps:
            walked.append(name)
            name = self.steps[name]
        self.steps |= dict.fromkeys(walked, name)
        return name


def proven_names(steps: Mapping[str, str]) -> dict[str, str]:
    """Return, for each name that leads to another, the one at the end of its chain.

    Raises InputError when a chain leads back to where it began.

    >>> proven_names({"a": "b", "b": "c", "d": "d"})
    {'b': 'c', 'a': 'c'}
    """
    ends: dict[str, str] = {}
    for name in steps:
        chain = _chain(name, steps, ends)
        ends |= dict.fromkeys(reversed(chain), chain[-1])
    return {name: end for name, end in ends.items() if name != end}


def _chain(name: str, steps: Mapping[str, str], ends: Mapping[str, str]) -> list[str]:
    """Return the names from `name` on to the end of its chain; `ends` of those that were walked before."""
    chain = {name: None}
    while name not in ends and steps.get(name, name) != name:
        name = steps[name]
        if name in chain:
            shown = " -> ".join(repr(other[:80]) for other in [*chain, name][:10])
            raise InputError(f"names lead back to where they began ({shown}); take one of the overrides out")
        chain[name] = None
    return [*chain, ends[name]] if name in ends and ends[name] != name else list(chain)
