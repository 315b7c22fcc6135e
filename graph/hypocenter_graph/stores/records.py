"""Claims as plain records, for files and servers: times are whole microseconds since 1970."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypocenter.errors import SourceError
from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOREVER = 2**63 - 1
Times = list[int] | int
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {str(type_): type_ for type_ in DependencyType}
_MICROSECOND = timedelta(microseconds=1)


def micros(time: datetime | None) -> int:
    """Return a time as microseconds since 1970; None is `FOREVER`."""
    return FOREVER if time is None else (time - _EPOCH) // _MICROSECOND


def component_record(claim: ComponentClaim) -> dict[str, Any]:
    """Return a claim on a component as a record of plain values."""
    return {
        "name": claim.name,
        "source": claim.source,
        "type": claim.type,
        "owner": claim.owner,
        "links": list(claim.links),
        "aliases": list(claim.aliases),
        **_times(claim.seen),
    }


def dependency_record(claim: DependencyClaim) -> dict[str, Any]:
    """Return a claim on a dependency as a record of plain values."""
    return {
        "caller": claim.caller,
        "callee": claim.callee,
        "type": str(claim.type),
        "source": claim.source,
        **_times(claim.seen),
        # A negative zero is a zero in Python's order, and less than one in others.
        "confidence": abs(float(claim.confidence)),
        "calls_per_s": None if claim.calls_per_s is None else abs(float(claim.calls_per_s)),
    }


def component_claim(record: Mapping[str, Any]) -> ComponentClaim:
    """Return the claim that `component_record` made a record of."""
    return ComponentClaim(
        name=record["name"],
        source=record["source"],
        seen=_intervals(record["starts"], record["ends"]),
        type=ComponentType(record["type"]) if record["type"] else None,
        owner=record["owner"],
        links=tuple(record["links"]),
        aliases=tuple(record["aliases"]),
    )


def dependency_claim(
    caller: str, callee: str, type_: str, source: str, starts: Times, ends: Times, *how: float | None
) -> DependencyClaim:
    """Return the claim that the values of a `dependency_record` make; `how` is its confidence and rate of calls.

    Start and end of what was seen in one interval may be numbers instead of lists.
    """
    confidence, calls_per_s = how
    seen = _intervals(starts, ends)
    return DependencyClaim(caller, callee, _TYPES[type_], source, seen, float(confidence or 0.0), calls_per_s)


def _times(seen: Sequence[Interval]) -> dict[str, list[int]]:
    return {"starts": [micros(i.first) for i in seen], "ends": [micros(i.last) for i in seen]}


def _intervals(starts: Times, ends: Times) -> tuple[Interval, ...]:
    if isinstance(starts, int) or isinstance(ends, int):
        return (_interval(starts, ends),)
    return tuple([_interval(start, end) for start, end in zip(starts, ends, strict=True)])


def _interval(start: Any, end: Any) -> Interval:
    # By place, as a name costs as much as the sum, and an incident has thousands of these.
    first = _EPOCH + timedelta(0, 0, start)
    return Interval(first, None if end == FOREVER else _EPOCH + timedelta(0, 0, end))


@contextmanager
def told_if_damaged() -> Iterator[None]:
    """Raise SourceError for a record that is none, whoever wrote it."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise SourceError(f"a claim that is kept in the graph cannot be read: {str(error)[:100]!r}") from error
