"""Records with some of each thing that the query API tells of, by the names that its document gives as examples."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from query_client import NOON

from hypocenter.events import KeptAlert, KeptChange, Origin
from hypocenter.history.past_incident import PastIncident
from hypocenter.model import (
    Alert,
    Anomaly,
    ChangeEvent,
    Chart,
    ComponentType,
    Counterfactual,
    DependencyType,
    Direction,
    Evidence,
    Investigation,
    MetricKind,
    Series,
    Suspect,
    Verdict,
)
from hypocenter.model_card import Gate, ModelCard, card_to_json
from hypocenter.stores.dead_letters import DeadLetter
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.investigations import AskedInvestigation, Stage
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.stores.records import NewModel, Opinion, Says
from hypocenter.verdict_json import investigation_to_json
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.stores.records import Records

INCIDENT, ASKED, MODEL = "3a83faf42cc901f6", "5f0c1a8be2d94c37", "shop"
MINUTE = timedelta(minutes=1)
CPU = Series("cart-db", "cpu", MetricKind.CPU, "cores", "mean")
LATENCY = Series("cart", "latency_p99", MetricKind.LATENCY, "s", "p99", "server", "web")
SUSPECT = Suspect(
    "cart-db",
    0.87,
    4.2,
    "cpu",
    evidence=(
        Evidence("cpu", "cpu rose from 0.2 to 3.9 cores", True, 0.8, "cart-db|cpu", "cores", 0.2, 3.9, NOON),
        Evidence("exoneration", "its errors stayed normal", supports=False, before=float("nan")),
    ),
    path=("web", "cart", "cart-db"),
    series="cart-db|cpu",
    counterfactual=Counterfactual("web|latency_p99", "s", 2.5, 0.3, 0.2, 0.5, 0.9, "It would have been 0.3 s."),
)
ABSTAINED = Verdict("i", "shop", (), None, (), True, NOON, None, None, summary="Nobody <i>knows</i> yet.")
NAMED = replace(
    ABSTAINED, suspects=(SUSPECT,), cause="cart-db", causes=("cart-db",), abstained=False, summary="It was cart-db."
)


def seed(records: Records) -> None:
    """Keep some of each thing: two incidents, one with two verdicts, and what belongs to them."""
    anomalies = _anomalies()
    assert records.detections.commit(3, None, Position(NOON, 1), anomalies)
    records.alerts.add_alerts([_alert("HighErrors"), _alert("Slow", resolved=True)])
    records.changes.add_changes([KeptChange(ChangeEvent("cart", NOON, title="cart 1.4.2"), Origin("c", "github"))])
    _seed_incidents(records, [each.key for each in anomalies])
    past = PastIncident("INC-7", "jira", "INC-7", started_at=NOON, root_components=("cart-db",))
    records.history.save_incidents([past, PastIncident("INC-8", "jira", "INC-8")])
    _seed_models(records)
    records.dead_letters.add(
        DeadLetter(key="k", task="hypocenter.tick", arguments="[3]", error="SourceError: gone", at=NOON)
    )
    asked = AskedInvestigation(ASKED, NOON, {"at": NOON.isoformat()}, Stage.DONE, ended_at=NOON)
    records.investigations.add(asked)
    records.investigations.save(replace(asked, version=2), investigation_to_json(Investigation(NAMED)))


def _anomalies() -> Sequence[KeptAnomaly]:
    first = Anomaly(CPU, NOON, NOON + MINUTE, 7.5, 3.9, 0.2, 0.1, 0.4, Direction.UP)
    odd = replace(first, series=LATENCY, onset=NOON + MINUTE, value=float("inf"), low=float("nan"))
    return [KeptAnomaly(first), KeptAnomaly(odd, NOON + 2 * MINUTE)]


def _alert(name: str, *, resolved: bool = False) -> KeptAlert:
    alert = Alert("cart", name, NOON, severity="critical", summary="5 % of requests fail")
    return KeptAlert(alert, Origin(name, "alertmanager", labels={"a": "b"}), NOON + MINUTE, resolved)


def _seed_incidents(records: Records, anomalies: Sequence[str]) -> None:
    incident = LiveIncident(
        INCIDENT, Status.OPEN, NOON, NOON, NOON, ("cart", "cart-db"), tuple(anomalies), ("HighErrors",)
    )
    records.incidents.save(incident)
    earlier = NOON - timedelta(hours=1)
    over = LiveIncident("old", Status.RESOLVED, earlier, earlier, NOON, ("web <b>",), resolved_at=NOON)
    records.incidents.save(over)
    chart = Chart(CPU, (NOON,), (3.9,), (0.2,), (0.1,), (0.4,), NOON)
    for number, verdict in enumerate((ABSTAINED, NAMED), start=1):
        document = investigation_to_json(Investigation(verdict, (chart,)))
        records.incidents.add_revision(Revision(INCIDENT, number, NOON + number * MINUTE, number, document))
    records.feedback.add_opinion(Opinion(INCIDENT, Says.WRONG, "ann", NOON, note="no"))


def _seed_models(records: Records) -> None:
    for gate in (Gate(True, "better on 85 later incidents"), Gate(False, "no proof on 85 later incidents")):
        card = ModelCard("85 incidents", False, NOON, "f00d", 85, 20, 1, gate=gate)
        records.models.add_model(NewModel(MODEL, "incidents", NOON, "f00d", card_to_json(card), {"part": "text"}))


def graph() -> MemoryStore:
    """Return the graph of a small shop."""
    seen = (Interval(NOON - MINUTE, NOON),)
    store = MemoryStore()
    parts = [("cart", ComponentType.SERVICE, ("cart.shop.svc",)), ("cart-db", ComponentType.DATABASE, ())]
    components = [ComponentClaim(name, "spans", seen, kind, aliases=aliases) for name, kind, aliases in parts]
    calls = [("web", "cart"), ("cart", "cart-db"), ("cart-db", "ns/disk")]
    dependencies = [DependencyClaim(*ends, DependencyType.CALLS, "spans", seen, calls_per_s=9.5) for ends in calls]
    store.upsert(Discovered(tuple(components), tuple(dependencies)))
    return store
