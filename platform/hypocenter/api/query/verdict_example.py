"""A verdict that the document shows as an example."""

from datetime import UTC, datetime, timedelta

from hypocenter.model import (
    ComponentType,
    Counterfactual,
    Dependency,
    Evidence,
    FaultTypeChance,
    GraphNode,
    GraphView,
    LearnedOpinion,
    NextCheck,
    RuledOut,
    SimilarIncident,
    Step,
    Suspect,
    Target,
    TimelineEntry,
    Trial,
    Verdict,
)

_ONSET = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ROSE = "cpu rose from 0.2 to 3.9 cores"
_CAUSE = Suspect(
    "cart-db",
    0.87,
    4.2,
    "cpu",
    evidence=(Evidence("cpu", _ROSE, True, 0.8, "cart-db|cpu", "cores", 0.2, 3.9, _ONSET),),
    path=("cart-db", "cart", "web"),
    series="cart-db|cpu",
    counterfactual=Counterfactual("web|latency_p99", "s", 2.5, 0.3, 0.2, 0.5, 0.9, "It would have been 0.3 s."),
)
EXAMPLE = Verdict(
    case_id="3a83faf42cc901f6",
    system="shop",
    suspects=(_CAUSE, Suspect("cart", 0.09, 1.1, "latency")),
    cause="cart-db",
    causes=("cart-db",),
    abstained=False,
    onset=_ONSET,
    onset_uncertainty_s=15.0,
    target=Target("web", "latency_p99"),
    propagation=(Step("cart-db", _ONSET, None, _ROSE), Step("cart", _ONSET + timedelta(seconds=30), "cart-db", "slow")),
    ruled_out=(RuledOut("web", "cart takes all of its time", "explained by what it leans on"),),
    blind_spots=("tax sends no telemetry.",),
    timeline=(TimelineEntry(_ONSET, "anomaly", "cart-db", _ROSE),),
    graph=GraphView(
        (
            GraphNode("cart-db", ComponentType.DATABASE, "cause", 9.0),
            GraphNode("cart", ComponentType.SERVICE, "affected", 7.5),
        ),
        (Dependency("cart", "cart-db", source="spans", calls_per_s=9.5),),
        omitted=12,
    ),
    summary="cart-db is the likely cause: its cpu rose.",
    observed=("cart", "cart-db", "web"),
    candidates=("cart-db",),
    coverage=0.9,
    wanted_precision=0.8,
    threshold=0.6,
    robustness=(Trial("without log lines", "cart-db", holds=True),),
    next_check=NextCheck(("cart-db", "cart"), "Look at the slow queries of cart-db."),
    learned=LearnedOpinion(
        "85 past incidents",
        re_ranked=False,
        fault_types=(FaultTypeChance("cpu_hog", 0.7),),
        unknown=0.3,
        reasons=("cpu is high",),
        similar=(SimilarIncident("INC-7", 0.8, ("cart-db",), "cpu_hog", "rolled back"),),
    ),
)
