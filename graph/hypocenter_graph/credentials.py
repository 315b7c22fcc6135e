"""Names without the user and password that some carry: what a source says is kept, its secrets are not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered

if TYPE_CHECKING:
    from collections.abc import Iterable

_IN_URL = re.compile(r"(?<=//)[^/?#\s]*@(?=[^/?#\s])")
_BEFORE_HOST = re.compile(r"\A[^\s/@:]*:[^\s/]+@(?=\S)")
# Names that are built with a colon or an @ of their own: `kafka:orders@eu`, `cart@7f3a`.
_BUILT = frozenset({ComponentType.QUEUE, ComponentType.INSTANCE})


def without_credentials(name: str) -> str:
    """Return a name without the user and password before its host.

    >>> [without_credentials(name) for name in ("amqp://user:pass@mq:5672/q", "user:pass@db:5432", "cart@7f3a")]
    ['amqp://mq:5672/q', 'db:5432', 'cart@7f3a']
    """
    return _BEFORE_HOST.sub("", _without_user(name)) if "@" in name else name


def _without_user(url: str) -> str:
    return _IN_URL.sub("", url) if "@" in url else url


def without_secrets(found: Discovered) -> Discovered:
    """Return claims whose names, aliases and links hold no credentials.

    Of queues and instances, whose own names may look alike, only URLs are taken to hold any.
    """
    built = {claim.name for claim in found.components if claim.type in _BUILT}
    names = {name: _without_user(name) if name in built else without_credentials(name) for name in _names(found)}
    if all(name == to for name, to in names.items()) and not any(claim.links for claim in found.components):
        return found
    return Discovered(
        tuple(_component(claim, names) for claim in found.components),
        tuple(_dependency(claim, names) for claim in found.dependencies),
        found.notes,
    )


def _names(found: Discovered) -> Iterable[str]:
    yield from (name for claim in found.components for name in (claim.name, *claim.aliases))
    yield from (name for claim in found.dependencies for name in (claim.caller, claim.callee))


def _component(claim: ComponentClaim, names: dict[str, str]) -> ComponentClaim:
    aliases = {names[alias] for alias in claim.aliases} - {names[claim.name]}
    links = tuple(map(_without_user, claim.links))
    return replace(claim, name=names[claim.name], aliases=tuple(sorted(aliases)), links=links)


def _dependency(claim: DependencyClaim, names: dict[str, str]) -> DependencyClaim:
    return replace(claim, caller=names[claim.caller], callee=names[claim.callee])
