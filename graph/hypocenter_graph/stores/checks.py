"""What a store takes in: claims whose every field can be kept, asked for and read back as it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import ComponentClaim, Discovered, check_name, is_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypocenter_graph.claims import DependencyClaim, Interval

_UTC_OFFSET = timedelta(0)


def check_claims(found: Discovered) -> None:
    """Raise InputError, which names the claim and the field, when a claim says what no store can keep.

    A component claim without a source may say nothing but its name: that is how a store tells of a bare end.
    """
    _check_names("component: name", (claim.name for claim in found.components))
    _check_names("component: alias", chain.from_iterable(claim.aliases for claim in found.components))
    _check_names("dependency: caller", (claim.caller for claim in found.dependencies))
    _check_names("dependency: callee", (claim.callee for claim in found.dependencies))
    _check_sources(chain((c.source for c in found.components if c.source), (d.source for d in found.dependencies)))
    for component in found.components:
        _check_component(component)
    for dependency in found.dependencies:
        _check_dependency(dependency)


def _check_names(where: str, names: Iterable[str]) -> None:
    for name in dict.fromkeys(names):
        check_name(name, where)


def _check_sources(sources: Iterable[str]) -> None:
    for source in dict.fromkeys(sources):
        if not (isinstance(source, str) and source and is_text(source)):
            raise InputError(f"source: must be text that is not empty, not {source!r}")


def _check_component(claim: ComponentClaim) -> None:
    if not claim.source and claim != ComponentClaim(claim.name, ""):
        raise InputError(f"{_told(claim)}: source: a claim that says something must name who says it")
    if claim.type is not None and type(claim.type) is not ComponentType:
        raise InputError(f"{_told(claim)}: type: {claim.type!r} is no ComponentType")
    for text in (claim.owner, *claim.links):
        if not (isinstance(text, str) and is_text(text)):
            raise InputError(f"{_told(claim)}: owner and links: {text!r} is not valid text")
    _check_seen(claim)


def _check_dependency(claim: DependencyClaim) -> None:
    if type(claim.type) is not DependencyType:
        raise InputError(f"{_told(claim)}: type: {claim.type!r} is no DependencyType")
    if not (isinstance(claim.confidence, (float, int)) and 0.0 <= claim.confidence <= 1.0):
        raise InputError(f"{_told(claim)}: confidence: must be a number from 0 to 1, not {claim.confidence!r}")
    rate = claim.calls_per_s
    if rate is not None and not (isinstance(rate, (float, int)) and 0.0 <= rate < float("inf")):
        raise InputError(f"{_told(claim)}: calls_per_s: must be a number that is not negative, not {rate!r}")
    _check_seen(claim)


def _check_seen(claim: ComponentClaim | DependencyClaim) -> None:
    for interval in claim.seen:
        if not _is_moment(interval.first) or not (interval.last is None or _is_moment(interval.last)):
            raise InputError(f"{_told(claim)}: seen: {_shown(interval)} must be given as datetimes in UTC")
        if interval.last is not None and interval.last < interval.first:
            raise InputError(f"{_told(claim)}: seen: {_shown(interval)} ends before it begins")


def _is_moment(time: datetime) -> bool:
    """Whether a time is a plain datetime in UTC; other kinds hold what microseconds cannot, such as NaT."""
    return type(time) is datetime and time.utcoffset() == _UTC_OFFSET


def _shown(interval: Interval) -> str:
    return f"{interval.first} to {interval.last}"


def _told(claim: ComponentClaim | DependencyClaim) -> str:
    if isinstance(claim, ComponentClaim):
        return f"component {claim.name[:40]!r}"
    return f"dependency {claim.caller[:40]!r} -> {claim.callee[:40]!r}"
