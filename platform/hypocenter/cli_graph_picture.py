"""Claims as a picture: what is drawn of a graph, what is cut and said to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.destination import check_destination, write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.snapshot import Ends
    from hypocenter_graph.stores.contract import View

MOST_DRAWN = 200


def check_picture(place: Path | None, inputs: Sequence[Path]) -> None:
    """Raise InputError for a place that the picture cannot be written to, before there is work done for it."""
    if place is not None:
        check_destination(place, False, inputs, "--svg")


def write_picture(place: Path | None, draw: Callable[[], str]) -> None:
    """Draw and write the picture where one is wanted."""
    if place is not None:
        write_report(place, draw(), "--svg")


def picture(claims: Discovered, view: View, focus: str = "", left_out: int = 0, vanished: Sequence[Ends] = ()) -> str:
    """Return the drawing of claims; of more than `MOST_DRAWN` components the most connected, and it says so."""
    from hypocenter.report.topology_svg import Picture, topology_svg
    from hypocenter_graph.resolve import topology_of
    from hypocenter_graph.snapshot import most_connected, part

    total = len({claim.name for claim in claims.components})
    drawn = part(claims, most_connected(claims, MOST_DRAWN)) if total > MOST_DRAWN else claims
    topology = topology_of(drawn.components, drawn.dependencies)
    notes = [_when(view.at)]
    if total > MOST_DRAWN:
        notes.append(f"{MOST_DRAWN} of {total:,} components, the most connected; {total - MOST_DRAWN:,} are not drawn")
    if left_out:
        notes.append(f"the {total:,} nearest components; at least {left_out:,} more are as near as the last")
    return topology_svg(
        Picture(
            f"Around {focus}" if focus else "Dependency graph",
            tuple(topology.components.values()),
            topology.dependencies,
            notes,
            frozenset(vanished),
            focus,
        )
    )


def _when(at: datetime | None) -> str:
    return "all that was ever seen" if at is None else f"as of {at:%Y-%m-%d %H:%M} UTC"
