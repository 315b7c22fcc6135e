"""What tasks do: a shard's tick, incidents, verdicts and what is told of them."""

from __future__ import annotations

import json
import logging
import random
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hypocenter import settings
from hypocenter.access import served_tenants
from hypocenter.errors import HypocenterError, InputError, SourceError
from hypocenter.garbage import keep_for_good
from hypocenter.rhythm import rhythm_of_settings
from hypocenter.stores.forwarding_told import reached
from hypocenter.stores.work_board import LATE, SAMPLES, SERIES, STATE_BYTES, STEPS, TOLD, Figure
from hypocenter.tenant_settings import of_tenant
from hypocenter_workers.known_graph import check
from hypocenter_workers.live_stores import SettingsStores
from hypocenter_workers.workplace import Due

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypocenter.notify.webhook import Webhook
    from hypocenter.rhythm import Rhythm
    from hypocenter.stores.records import Records
    from hypocenter.stores.work_board import WorkBoard
    from hypocenter_workers.anomaly_signs import AnomalySigns
    from hypocenter_workers.bands import Listings
    from hypocenter_workers.discovery import Discovery
    from hypocenter_workers.known_graph import KnownGraph
    from hypocenter_workers.learn.serving import Served
    from hypocenter_workers.live import Sources
    from hypocenter_workers.live_stores import Stores
    from hypocenter_workers.ticks.tick import Place, Ticked

logger = logging.getLogger(__name__)
CORRELATED = Figure("correlated")
# A page asks the same again as often.
PINNED_S, FAILED_S = 30.0, 1.0
GRAPH_AWAY = Figure("graph_away")
# An outage that is short delays incidents; one that lasts must not keep them from anybody.
GRAPH_PATIENCE = timedelta(minutes=3)
FIRST_LOOK = timedelta(minutes=1)
# Nobody waits any longer for what was asked before that, and what was asked since then is on its way.
ASKED_WITHIN, ASKED_JUST_NOW = timedelta(hours=1), timedelta(seconds=30)
# What the webhook did not take for so long is news no more.
TOLD_WITHIN = timedelta(hours=24)


def live_work_of(tenant: str) -> LiveWork:
    """Return the work for a tenant other than that of the settings; raises InputError where it is not served."""
    if tenant not in served_tenants()[1:]:
        raise InputError(f"HYPOCENTER_TENANTS does not name {tenant!r:.60}: name the same tenants for every process")
    return LiveWork(tenant=tenant)


class LiveWork:
    """The Work that is done with open stores, or with those that the settings name, opened as they are needed.

    It is done for `tenant`, None for that of the settings. What `now` tells, in UTC, is the board's time of day where
    nobody gives another: of machines with different clocks one would score what others have not sent yet. `pulse` are
    the seconds that pass with it, by which it is doubted; who gives a `now` without them is believed.
    """

    def __init__(
        self,
        stores: Stores | None = None,
        now: Callable[[], datetime] | None = None,
        rhythm: Rhythm | None = None,
        tenant: str | None = None,
        pulse: Callable[[], float] | None = None,
    ) -> None:
        self._stores: Stores = stores or SettingsStores(tenant)
        self._pulse = time.monotonic if now is None else pulse
        self._tenant = tenant
        self._given_now, self._given_rhythm = now, rhythm
        self._place: Place | None = None
        self._discovery: Discovery | None = None

    @property
    def board(self) -> WorkBoard:
        """Where beat, workers and server meet."""
        return self._stores.board

    @property
    def records(self) -> Records:
        """Where positions, anomalies, incidents and dead letters are kept."""
        return self._stores.records

    def warm(self) -> None:
        """Load what the first question would otherwise wait for; what cannot be had yet is left to it."""
        import hypocenter_workers.asked
        import hypocenter_workers.bands  # noqa: F401 - seconds of importing
        from hypocenter_workers.ticks.prepare import prepare

        try:
            learned = self._learned
        except HypocenterError as error:
            logger.info("the model is loaded with the first question: %s", error)
        else:
            logger.debug("questions are answered with model %s", "none" if learned is None else learned.label)
        # Bands are asked of processes that may never tick, and kernels take seconds to load.
        prepare()
        keep_for_good()

    def tick(self, shard: int) -> None:
        """Score what is settled and not scored yet of a shard."""
        from hypocenter_workers.ticks.tick import tick

        place = self._place_of(self.records.detections.shards() or self._rhythm.shards)
        # One that was sent before the work was divided among fewer is nobody's.
        if shard < place.roster.shards:
            now = self._now()
            if place.hearing is not None:
                place.hearing.look(now)
            done = tick(place, shard, *reached(self.board, now, self._rhythm.settle))
            if done.is_committed:
                self._count(done)

    def correlate(self, send: Callable[[Due], None]) -> None:
        """Bring anomalies and alerts together to incidents, and send what is to be done for incidents now."""
        from hypocenter_workers.live import due, follow

        now = self._now()
        follow(self.records, self._joining(now), now, anomalies=self._anomalies)
        before = self.board.levels().get(CORRELATED)
        since = now - FIRST_LOOK if before is None else min(datetime.fromtimestamp(before, UTC), now)
        asked = self.records.investigations.unfinished(now - ASKED_WITHIN, now - ASKED_JUST_NOW)
        send(Due(due(self.records, now, since), self._untold(now), asked))
        # Whatever was not sent before a crash is so due again; what was sent twice is done once.
        self.board.put(CORRELATED, now.timestamp())

    def discover(self) -> None:
        """Keep in the graph what labels of series show of the system."""
        from hypocenter_workers.discovery import Discovery, discover

        roster = self._place_of(self.records.detections.shards() or self._rhythm.shards).roster
        if self._discovery is None or self._discovery.roster is not roster:
            self._discovery = Discovery(roster)
        until = reached(self.board, self._now(), self._rhythm.settle).until
        discover(self._discovery, self._stores.graph, self.board, self._rhythm.settled(until))

    def investigate(self, incident_id: str) -> None:
        """Investigate an incident and keep the verdict."""
        from hypocenter_workers.live import investigate_incident, write_report

        found = investigate_incident(incident_id, self._sources, self._now())
        if found is not None and self._stores.reports is not None:
            write_report(self._stores.reports, found)

    def answer(self, investigation_id: str) -> None:
        """Investigate what somebody asked for, and keep what comes of it."""
        from hypocenter_workers.asked import answer

        answer(investigation_id, self._sources, self._clock())

    def bands(self, name: str, question: Mapping[str, Any]) -> None:
        """Pin to the board what `hypocenter_workers.bands` answers to a question, or why it cannot."""
        from hypocenter_workers.bands import answered

        try:
            self.board.pin(name, answered(self._listings, question), PINNED_S)
        except Exception as error:
            # Whoever waits is told, and may ask anew.
            said = str(error) if isinstance(error, HypocenterError) else f"unexpected {type(error).__name__}"
            self.board.pin(name, json.dumps({"failed": f"scores and bands cannot be had: {said}"}), FAILED_S)
            raise

    def notify(self, incident_id: str) -> None:
        """Tell the tenant's webhook, where there is one, what it was not told of an incident yet."""
        from hypocenter.notify.messages import no_news, untold
        from hypocenter.notify.webhook import post

        webhook, store = self._webhook, self.records.incidents
        if webhook is None:
            return
        for message in untold(store, incident_id):
            post(webhook, message, self._now(), chance=random.random)
            store.add_told(incident_id, message.notice)
        known = no_news(store, incident_id)
        if known is not None:
            store.add_told(incident_id, known)

    def _now(self) -> datetime:
        return self.board.now() if self._given_now is None else self._given_now()

    def _clock(self) -> Callable[[], datetime]:
        """Return what tells the time without asking the board again, which may be away while an answer is sought."""
        if self._given_now is not None:
            return self._given_now
        began, pulse = self.board.now(), time.monotonic()
        return lambda: began + timedelta(seconds=time.monotonic() - pulse)

    def _untold(self, now: datetime) -> Sequence[str]:
        from hypocenter.notify.messages import may_be_news

        if self._webhook is None:
            return ()
        found = self.records.incidents.outgoing(now - TOLD_WITHIN)
        return [each.incident.incident_id for each in found if may_be_news(each)]

    @cached_property
    def _webhook(self) -> Webhook | None:
        """Return where the incidents of this tenant are told of: what others have is nothing that is told there."""
        from hypocenter.notify.webhook import webhook_of_settings

        return of_tenant(self._tenant, webhook_of_settings)

    def _place_of(self, shards: int) -> Place:
        """Return where ticks work while there are so many shards."""
        if self._place is None or self._place.roster.shards != shards:
            self._place = self._new_place(shards)
        return self._place

    def _new_place(self, shards: int) -> Place:
        from hypocenter_workers.ticks.hearing import Hearing
        from hypocenter_workers.ticks.shapes import Pointers
        from hypocenter_workers.ticks.shards import Roster
        from hypocenter_workers.ticks.states import SparedStates
        from hypocenter_workers.ticks.tick import Place

        stores, roster = self._stores, Roster(self._stores.metrics, shards, board=self.board)
        most = int(settings.read("shape_series") or 0)
        return Place(
            stores.metrics,
            stores.records.detections,
            SparedStates(stores.states),
            roster,
            self._rhythm,
            pointers=Pointers(stores.records, most) if most else None,
            hearing=None if self._pulse is None else Hearing(self.board, self._rhythm, self._pulse),
        )

    @cached_property
    def _rhythm(self) -> Rhythm:
        return self._given_rhythm or rhythm_of_settings()

    def _joining(self, now: datetime) -> KnownGraph | None:
        """Return the graph by which signs are joined; none where it was away for so long that incidents wait no more.

        Raises SourceError while they still wait for it.
        """
        graph = self._stores.graph
        try:
            check(graph)
        except SourceError as error:
            since = self.board.levels().get(GRAPH_AWAY) or now.timestamp()
            self.board.put(GRAPH_AWAY, since)
            if now.timestamp() - since < GRAPH_PATIENCE.total_seconds():
                raise
            logger.warning("incidents are made without the graph: %s", error)
            return None
        self.board.put(GRAPH_AWAY, 0)
        return graph

    @property
    def _sources(self) -> Sources:
        from hypocenter_workers.live import Sources

        return Sources(self._stores.metrics, self.records, self._stores.graph, self._learned)

    @cached_property
    def _anomalies(self) -> AnomalySigns:
        from hypocenter_workers.anomaly_signs import AnomalySigns

        return AnomalySigns(self.records.detections)

    @cached_property
    def _listings(self) -> Listings:
        from hypocenter_workers.bands import Listings

        return Listings(self._new_place(self._rhythm.shards))

    @cached_property
    def _learned(self) -> Served | None:
        from hypocenter_workers.learn.serving import chosen, chosen_of

        return chosen() if self._tenant is None else chosen_of(self.records)

    def _count(self, done: Ticked) -> None:
        counted = {STEPS: done.steps, SAMPLES: done.samples, LATE: done.late, TOLD: len(done.anomalies)}
        for name, amount in counted.items():
            self.board.add(Figure(name), amount)
        self.board.put(Figure(SERIES, str(done.shard)), done.series)
        self.board.put(Figure(STATE_BYTES, str(done.shard)), done.state_bytes)
