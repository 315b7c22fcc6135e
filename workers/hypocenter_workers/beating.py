"""Beats of every tenant in one process, each with a lease of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.rhythm import rhythm_of_settings
from hypocenter_workers.beat import TURN_S, Beat, Sight

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from celery import Celery

    from hypocenter_workers.workplace import Work


def beats_of(app: Celery, works: Mapping[str | None, Work], name: str) -> Sequence[Beat]:
    """Return a beat for the work of each tenant (None: that of the settings), in the rhythm of the settings."""
    rhythm, tenants = rhythm_of_settings(), len(works)
    return [
        Beat(app, Sight(work.records, work.board, rhythm, work.board.now, tenant=tenant, tenants=tenants), name)
        for tenant, work in works.items()
    ]


def run_beats(beats: Sequence[Beat], stopped: threading.Event) -> None:
    """Have beats take turn after turn until `stopped`, and then let others take over at once."""
    while not stopped.wait(TURN_S):
        for beat in beats:
            beat.try_turn()
    for beat in beats:
        beat.give_up_lease()
