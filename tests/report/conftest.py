"""Investigations made by hand, a realistic one and the extremes that a report has to bear, and a browser."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import sync_playwright

from hypocenter import model
from hypocenter.model import ComponentType, DependencyType, MetricKind

ONSET = datetime(2026, 3, 4, 3, 7, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'&amp;</svg></style>{{ 7*7 }}\x00\x1b[31m\ud800\u202e\u2028 日本 " + "x" * 5000


CHECK = (
    "See whether what else runs on host-3 (cart-cache, search) is slow or short of anything too: then it is host-3;"
    " if orders-db is alone with it, it is orders-db."
)


def after(seconds):
    return ONSET + timedelta(seconds=seconds)


def finding(channel, text, share, change=(None, None, ""), at=None):
    """A finding for a suspect; `change` is before, after and unit, `at` seconds from the onset."""
    before, now, unit = change
    return model.Evidence(channel, text, True, share, None, unit, before, now, None if at is None else after(at))


def against(*arguments):
    return replace(finding(*arguments), supports=False)


def without_database():
    text = (
        "Without orders-db's deviation web would fail 0.3 % of its requests, not 7.4 %"
        " (with 90 % probability 0.1 % to 1.2 %)."
    )
    return model.Counterfactual("web|failed_share", "share", 0.074, 0.003, 0.001, 0.012, 0.9, text)


def shop_trials():
    rows = (
        ("without log lines", "orders-db"),
        ("without traces", "orders-db"),
        ("without metrics", "checkout"),
        ("with the start 2 min earlier", "orders-db"),
        ("with the start 2 min later", "orders-db"),
        ("with a fifth of the edges wrong", "orders-db"),
        ("without the graph", "host-3"),
    )
    return tuple(model.Trial(change, cause, cause == "orders-db") for change, cause in rows)


def shop_suspects():
    database = (
        finding("disk", "orders-db disk write wait rose from 1.9 ms to 214 ms", 0.41, (0.0019, 0.214, "s"), -12),
        finding("saturation", "orders-db connection pool rose from 31 % to 100 %", 0.22, (0.31, 1.0, "share"), 25),
        finding("latency", "orders-db latency p95 for orders rose from 11 ms to 1.84 s", 0.19, (0.011, 1.84, "s"), 4),
        finding("change", "Deploy orders-db 14.2 → 14.3, 2 minutes before (CHG-4711)", 0.12, at=-128),
        finding("log_surplus", "new line 'checkpoint request timed out' 3.2/s", 0.06, (0.0, 3.2, "1/s"), 18),
        against("traffic", "its traffic did not rise: 412/s before, 388/s after", 0.04, (412.0, 388.0, "1/s")),
    )
    host = (
        finding("disk", "host-3 disk throughput rose from 4.1 MiB/s to 95.4 MiB/s", 0.7, (4.3e6, 1.0e8, "bytes/s"), -5),
        against("exoneration", "only orders-db is slow of all that run on it", 0.5),
    )
    orders = (
        finding("latency", "orders latency p95 for checkout rose from 48 ms to 2.1 s", 0.6, (0.048, 2.1, "s"), 15),
        against("exoneration", "its own time did not change: it waits", 0.8, (0.009, 0.0092, "s")),
    )
    way = ("orders-db", "orders", "checkout", "web")
    return (
        model.Suspect("orders-db", 0.86, 17.4, "disk", database, way, "orders-db|disk_write_wait", without_database()),
        model.Suspect("host-3", 0.08, 9.1, "disk", host, ("host-3", *way), "host-3|disk_bytes"),
        model.Suspect("orders", 0.03, 6.6, "latency", orders, way[1:]),
    )


def shop_graph():
    states = {"orders-db": "cause", "orders": "suspect", "host-3": "suspect", "bank-gateway": "unobserved"}
    states |= dict.fromkeys(("web", "checkout", "cart"), "affected")
    kinds = {"orders-db": "database", "host-3": "host", "cart-cache": "cache", "bank-gateway": "external"}
    kinds |= {"mail-queue": "queue", "search-index": "database"}
    calls = (
        "web checkout,web catalog,web cart,web search,checkout orders,checkout cart,checkout payments,"
        "orders orders-db,orders mail-queue,cart cart-cache,cart catalog,payments bank-gateway,"
        "search search-index,catalog search-index"
    )
    edges = [model.Dependency(*pair.split(), source="spans") for pair in calls.split(",")]
    edges.append(model.Dependency("orders-db", "host-3", DependencyType.RUNS_ON))
    names = dict.fromkeys(name for edge in edges for name in (edge.caller, edge.callee))
    nodes = [
        model.GraphNode(name, ComponentType(kinds.get(name, "service")), states.get(name, "normal"), 5.0)
        for name in names
    ]
    return model.GraphView(tuple(nodes), tuple(edges), 4)


def shop_timeline():
    rows = [
        (-17000, "change", "catalog", "Deploy catalog 2.9.1"),
        (-128, "change", "orders-db", "Deploy orders-db 14.2 → 14.3 (CHG-4711)"),
        (-12, "anomaly", "orders-db", "disk write wait left its band: 214 ms, expected 1.9 ms"),
        (0, "onset", "orders-db", "the incident begins"),
        (4, "anomaly", "orders-db", "latency p95 for orders left its band"),
        (15, "anomaly", "orders", "latency p95 for checkout left its band"),
        (40, "anomaly", "checkout", "latency p95 for web left its band"),
        (75, "anomaly", "web", "failed share 7.4 %, expected 0.1 %"),
        (180, "alert", "web", "CheckoutErrorBudgetBurn (page)"),
        (240, "alert", "orders", "OrdersLatencyHigh (ticket)"),
    ]
    return tuple(model.TimelineEntry(after(at), kind, where, text) for at, kind, where, text in rows)


def shop_steps():
    return (
        model.Step("orders-db", after(-12), None, "writes wait 214 ms for the disk"),
        model.Step("orders", after(15), "orders-db", "its pool of 40 connections is exhausted"),
        model.Step("checkout", after(40), "orders", "latency p95 2.4 s, time-outs and retries"),
        model.Step("web", after(75), "checkout", "7.4 % of requests fail"),
    )


def chart(series, normal, ill, caption="", gap=()):
    """An hour at 15 s that leaves its band at the onset: deterministic noise, gaps where told."""
    times = [after(15 * step - 2700) for step in range(240)]
    noise = [0.06 * math.sin(step * 1.7) + 0.04 * math.sin(step * 0.31) for step in range(240)]
    ramp = [min(max((time - ONSET).total_seconds() / 120, 0.0), 1.0) for time in times]
    values = [(normal + (ill - normal) * rise) * (1 + wave) for rise, wave in zip(ramp, noise, strict=True)]
    most = 1.0 if series.unit == "share" else math.inf
    kept = [None if step in gap else min(value, most) for step, value in enumerate(values)]
    expected = [normal * (1 + 0.04 * math.sin(step * 0.02)) for step in range(240)]
    low, high = [value * 0.82 for value in expected], [value * 1.18 for value in expected]
    columns = (tuple(column) for column in (times, kept, expected, low, high))
    return model.Chart(series, *columns, onset=ONSET, caption=caption)


def measured(name, kind, unit, peer=None):
    component, metric = name.split("|")
    stat = "p95" if kind is MetricKind.LATENCY else "last"
    return model.Series(component, metric, kind, unit, stat, "server" if peer else None, peer)


def shop_charts():
    wait = measured("orders-db|disk_write_wait", MetricKind.DISK, "s")
    served = measured("orders-db|latency_p95", MetricKind.LATENCY, "s", "orders")
    pool = measured("orders-db|pool_used", MetricKind.SATURATION, "share")
    asked = measured("orders|latency_p95", MetricKind.LATENCY, "s", "checkout")
    return (
        chart(wait, 0.0019, 0.214, "Leaves its band first, 12 s before the onset."),
        chart(served, 0.011, 1.84),
        chart(pool, 0.31, 0.97, "The pool is full from 03:08 on."),
        chart(asked, 0.048, 2.1, "No samples for two minutes.", range(190, 198)),
        chart(measured("web|failed_share", MetricKind.ERRORS, "share"), 0.001, 0.074, "The symptom."),
        chart(measured("web|requests", MetricKind.TRAFFIC, "1/s"), 412.0, 388.0),
        chart(measured("host-3|disk_bytes", MetricKind.DISK, "bytes/s"), 4.3e6, 1.0e8),
        chart(measured("orders-db|memory", MetricKind.MEMORY, "bytes"), 3.1e9, 3.2e9),
    )


def shop_ruled_out():
    rows = (
        ("catalog", "Deployed 4 h 43 min before the onset, and all its series stayed within their bands."),
        (
            "checkout",
            "Its own time stayed at 14 ms; its latency is explained by orders (correlation 0.98, 25 s later).",
            "explained by what it calls",
        ),
        ("payments", "Slow for 90 s at 01:20, long before the onset; normal since."),
    )
    return tuple(model.RuledOut(*row) for row in rows)


def shop_past():
    kinds = (model.FaultTypeChance("disk stall", 0.71), model.FaultTypeChance("slow_query", 0.17))
    return model.LearnedOpinion(
        model="shop-3, 142 confirmed incidents",
        re_ranked=True,
        fault_types=kinds,
        unknown=0.12,
        reasons=("The likely root's disk is 9 times as busy as its own normal.", "Its callers wait, and it does not."),
        similar=(
            model.SimilarIncident("INC-2041", 0.93, ("orders-db",), "disk stall", "Moved the volume to another array."),
            model.SimilarIncident("INC-1877", 0.61, ("cart-db", "host-3"), None),
        ),
    )


def shop():
    spots = (
        "bank-gateway never reported: a fault there would look like slow payments.",
        "orders sent no samples from 03:08:00 to 03:09:45.",
    )
    summary = (
        "The disk under orders-db became slow at 03:07:30. "
        "Its connection pool filled, and orders, checkout and web waited for it."
    )
    observed = tuple(node.component for node in shop_graph().nodes if node.state != "unobserved")
    verdict = model.Verdict(
        case_id="shop-042",
        system="shop",
        suspects=shop_suspects(),
        cause="orders-db",
        causes=("orders-db",),
        abstained=False,
        onset=ONSET,
        onset_uncertainty_s=15.0,
        target=model.Target("web", "failed_share"),
        propagation=shop_steps(),
        ruled_out=shop_ruled_out(),
        blind_spots=spots,
        timeline=shop_timeline(),
        graph=shop_graph(),
        summary=summary,
        observed=observed,
        candidates=("orders-db", "host-3"),
        coverage=0.9,
        wanted_precision=0.95,
        threshold=0.72,
        robustness=shop_trials(),
        next_check=model.NextCheck(("orders-db", "host-3"), CHECK),
        learned=shop_past(),
    )  # fmt: skip
    return model.Investigation(verdict, shop_charts())


def plain():
    """The shop as an investigation tells it that only ranks."""
    investigation = shop()
    suspects = [replace(item, series=None, counterfactual=None) for item in investigation.verdict.suspects]
    unsaid = {"candidates": (), "coverage": None, "wanted_precision": None, "threshold": None, "robustness": ()}
    verdict = replace(investigation.verdict, suspects=tuple(suspects), next_check=None, learned=None, **unsaid)
    return replace(investigation, verdict=verdict)


def two_causes():
    """The shop with a second fault that has nothing to do with the first."""
    investigation = shop()
    line = finding("log_surplus", "search logged 'index segment is corrupt': 0/s before, 4.1/s after", 0.8, at=33)
    failed = finding("errors", "search errors rose from 0.1 % to 38 %", 0.2, (0.001, 0.38, "share"), 33)
    text = "Without search's deviation web would fail 4.6 % of its requests, not 7.4 % (90 %: 3.9 % to 6.8 %)."
    without = model.Counterfactual("web|failed_share", "share", 0.074, 0.046, 0.039, 0.068, 0.9, text)
    series = "search|template:index segment <*> is corrupt"
    search = model.Suspect("search", 0.38, 11.2, "errors", (line, failed), ("search", "web"), series, without)
    first, *others = investigation.verdict.suspects
    verdict = replace(
        investigation.verdict,
        suspects=(replace(first, probability=0.5), search, *others),
        causes=("orders-db", "search"),
        summary="",
        candidates=("orders-db", "search"),
    )
    return replace(investigation, verdict=verdict)


def undecided():
    investigation = shop()
    odds = (0.38, 0.31, 0.12)
    suspects = [replace(item, probability=share) for item, share in zip(shop_suspects(), odds, strict=True)]
    verdict = replace(
        investigation.verdict, suspects=tuple(suspects), cause=None, causes=(), abstained=True, summary=""
    )
    return replace(investigation, verdict=verdict)


def day_long_charts(components):
    times = tuple(after(15 * step - 80_000) for step in range(5760))
    wave = tuple(50 + 40 * math.sin(step / 300) for step in range(5760))
    band = [tuple(value + shift for value in wave) for shift in (0, -5, 5)]
    return tuple(model.Chart(model.Series(name, "cpu"), times, wave, *band) for name in components)


def large_suspects(names, way):
    first, _, quiet = shop_suspects()
    others = [replace(quiet, component=name, probability=0.002, path=()) for name in names if name != way[0]]
    return (replace(first, component=way[0], path=way), *others)


def large(nodes=50, charts=12):
    """A mesh of three tiers with shared databases, a chart of a day at 15 s, and long lists of everything."""
    names = [f"svc-{index:02}-of-the-large-system" if index % 7 else f"db-{index:02}" for index in range(nodes)]
    names[3] = "a-name-" + "of-two-hundred-characters-" * 7 + "no-less"
    edges = [
        model.Dependency(names[a], names[b]) for a in range(nodes) for b in (2 * a + 1, 2 * a + 2, a + 7) if b < nodes
    ]
    states = ("normal", "affected", "normal", "suspect", "unobserved")
    kinds = list(ComponentType)
    drawn = [
        model.GraphNode(name, kinds[index % 8], "cause" if index == 20 else states[index % 5])
        for index, name in enumerate(names)
    ]
    way = [names[index] for index in (20, 9, 4, 1, 0)]
    steps = [
        model.Step(name, after(9 * place), via, "slow")
        for place, (name, via) in enumerate(zip(way, (None, *way), strict=False))
    ]
    entries = [
        model.TimelineEntry(after(9 * index), "anomaly", name, "left its band " * 9)
        for index, name in enumerate(names * 9)
    ]
    verdict = replace(
        shop().verdict,
        cause=names[20],
        causes=(names[20],),
        suspects=large_suspects(names, tuple(way)),
        target=model.Target(names[0], None),
        propagation=tuple(steps),
        summary="",
        observed=tuple(names),
        ruled_out=tuple(model.RuledOut(name, "Its callees explain it. " * 9) for name in names),
        blind_spots=tuple(f"{name} never reported." for name in names),
        timeline=tuple(entries),
        graph=model.GraphView(tuple(drawn), tuple(edges), 450),
        candidates=tuple(names),
        robustness=tuple(model.Trial(f"without {name}", name, index % 3 > 0) for index, name in enumerate(names)),
        next_check=model.NextCheck((names[20], names[3]), f"Time calls from {names[3]} to {names[20]} by hand."),
    )  # fmt: skip
    return model.Investigation(verdict, day_long_charts(names[:charts]))


def hostile_past():
    alike = (model.SimilarIncident(HOSTILE, 0.5, (HOSTILE,), HOSTILE, HOSTILE),)
    return model.LearnedOpinion(HOSTILE, True, (model.FaultTypeChance(HOSTILE, 0.6),), 0.4, (HOSTILE,), alike)


def hostile():
    """Every text of an investigation replaced by one that tries to break out."""
    verdict = shop().verdict
    graph = model.GraphView(
        (model.GraphNode(HOSTILE, ComponentType.SERVICE, HOSTILE),), (model.Dependency(HOSTILE, HOSTILE),)
    )
    evidence = tuple(
        replace(item, text=HOSTILE, channel=HOSTILE, unit=HOSTILE, series=HOSTILE)
        for item in shop_suspects()[0].evidence
    )
    without = model.Counterfactual(HOSTILE, HOSTILE, 9.0, 1.0, 0.5, 2.0, 0.9, HOSTILE)
    suspect = model.Suspect(HOSTILE, 0.9, 3.0, HOSTILE, evidence, (HOSTILE, HOSTILE), f"{HOSTILE}|x", without)
    verdict = replace(
        verdict,
        case_id=HOSTILE,
        system=HOSTILE,
        suspects=(suspect,),
        cause=HOSTILE,
        causes=(HOSTILE,),
        target=model.Target(HOSTILE, HOSTILE),
        propagation=(model.Step(HOSTILE, ONSET, None, HOSTILE), model.Step(HOSTILE, ONSET, "other", HOSTILE)),
        ruled_out=(model.RuledOut(HOSTILE, HOSTILE, HOSTILE),),
        blind_spots=(HOSTILE,),
        timeline=(model.TimelineEntry(ONSET, HOSTILE, HOSTILE, HOSTILE),),
        graph=graph,
        summary=HOSTILE,
        observed=(HOSTILE,),
        candidates=(HOSTILE, HOSTILE),
        coverage=0.9,
        wanted_precision=0.95,
        threshold=0.7,
        robustness=(model.Trial(HOSTILE, HOSTILE, holds=False), model.Trial(HOSTILE, None, holds=True)),
        next_check=model.NextCheck((HOSTILE, HOSTILE), HOSTILE),
        learned=hostile_past(),
    )
    series = model.Series(HOSTILE, HOSTILE, unit=HOSTILE, peer=HOSTILE, side="server")
    charts = [replace(item, series=series, caption=HOSTILE) for item in shop_charts()[:2]]
    return model.Investigation(verdict, tuple(charts))


def empty():
    return model.Investigation(model.Verdict("case", "", (), None, (), True, None, None, None))


SAMPLES = {
    "shop": shop,
    "plain": plain,
    "two_causes": two_causes,
    "undecided": undecided,
    "large": large,
    "hostile": hostile,
    "empty": empty,
}


@pytest.fixture
def sample():
    """`sample(name)` is an investigation, one of SAMPLES by its name."""
    return lambda name: SAMPLES[name]()


@pytest.fixture(scope="module")
def browser(require):
    path = require("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()
