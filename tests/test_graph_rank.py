"""Small systems, written as text, in which anyone can see who broke: ranking must see it too."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hypocenter.catalog import KINDS
from hypocenter.model import (
    Alert,
    ChangeEvent,
    Component,
    ComponentType,
    Dependency,
    DependencyType,
    MetricKind,
    Series,
    Target,
)
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.evidence import fault_type_of
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.topology import build_topology

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
USUAL_Z = 40.0


def graph(text):
    """`web -> cart -> db; cart on node-1; queue mail`: calls, hosts and types of components."""
    components, dependencies = [], []
    for part in filter(None, map(str.strip, text.split(";"))):
        words = part.split()
        if " on " in part:
            dependencies.append(Dependency(words[0], words[2], DependencyType.RUNS_ON))
        elif "->" in part:
            stops = part.replace(" ", "").split("->")
            dependencies += [Dependency(*pair) for pair in pairwise(stops)]
        else:
            components.append(Component(words[1], ComponentType(words[0])))
    return build_topology(components, dependencies)


def deviation(line):
    """`cart latency/mean 0.1 0.5`, `web->cart` as the caller sees it, `cart<-web` as the callee does; z may follow."""
    where, what, before, after, *z = line.split()
    what, _, stat = what.partition("/")
    kind, _, metric = what.partition(":")
    component, side, peer = where, None, None
    for arrow, seen_by in (("->", "client"), ("<-", "server")):
        if arrow in where:
            (component, peer), side = where.split(arrow), seen_by
    known = MetricKind(kind)
    series = Series(component, metric or f"{kind}_{stat}", known, KINDS[known].unit, stat or "last", side, peer)
    change = float(after) - float(before)
    moved = float(z[0]) if z else math.copysign(USUAL_Z, change) if change else 0.0
    silent = math.isnan(float(after)) and not math.isnan(float(before))
    return Deviation(series, float(before), float(after), 0.0 if silent else moved, silent=silent)


def ranked(system, table, *, target=None, **context):
    deviations = [deviation(line) for line in table.strip().splitlines()]
    return rank(deviations, graph(system), Context(Target(target) if target else None, ONSET, **context))


def order(ranking):
    return [scored.component for scored in ranking.scored]


def score(ranking, component):
    return next(scored.score for scored in ranking.scored if scored.component == component)


def channels(ranking, component):
    found = next(scored for scored in ranking.scored if scored.component == component)
    return {finding.channel for finding, _ in found.findings}


SLOW_CHAIN = """
    web  latency/mean 0.100 0.500
    cart latency/mean 0.050 0.450
    db   latency/mean 0.010 0.405
    web  traffic/rate 100 100
    cart traffic/rate 100 100
    db   traffic/rate 100 100
"""
CASES = {
    "a slow callee explains its callers": ("web -> cart -> db", SLOW_CHAIN, "db"),
    "a slow component whose callees are sound is slow itself": (
        "web -> cart -> db",
        """
        web  latency/mean 0.100 0.500
        cart latency/mean 0.050 0.450
        db   latency/mean 0.010 0.010
        """,
        "cart",
    ),
    "failures of a callee explain those of its callers": (
        "web -> cart; web -> pay",
        """
        web  errors 0.001 0.200
        pay  errors 0.001 0.205
        cart errors 0.001 0.001
        web  traffic/rate 100 100
        pay  traffic/rate 100 100
        """,
        "pay",
    ),
    "a caller sees its callee fail that says nothing itself": (
        "web -> cart; web -> bank",
        """
        web       errors 0.001 0.500
        web->bank errors 0.001 0.500
        web->cart errors 0.001 0.001
        """,
        "bank",
    ),
    "a guest with its own rise in CPU is to blame for the host's": (
        "web -> cart; cart on node-1; ads on node-1",
        """
        cart   cpu 0.5 3.5
        ads    cpu 0.5 0.5
        node-1 cpu 2.0 5.0
        cart   latency/mean 0.05 0.40
        ads    latency/mean 0.05 0.10
        web    latency/mean 0.10 0.45
        """,
        "cart",
    ),
    "a host whose guests use no more than before slows them all": (
        "web -> cart; cart on node-1; ads on node-1; web on node-2; host node-1",
        """
        node-1 cpu 2.0 7.9
        cart   cpu 0.5 0.5
        ads    cpu 0.5 0.5
        cart   latency/mean 0.05 0.15
        ads    latency/mean 0.05 0.15
        web    latency/mean 0.10 0.20
        """,
        "node-1",
    ),
    "more users than ever are the entry's trouble and not that of those behind it": (
        "web -> cart -> db",
        """
        web  traffic/rate 100 400
        cart traffic/rate 100 400
        db   traffic/rate 100 400
        cart cpu 0.5 2.0
        db   cpu 0.5 2.0
        cart latency/mean 0.05 0.15
        """,
        "web",
    ),
    "a queue fills because its consumer stalls": (
        "web -> orders -> mails; mailer -> mails; queue mails",
        "mails saturation 0.01 0.95\nmailer latency/mean 0.05 4.0\norders latency/mean 0.05 0.05",
        "mailer",
    ),
    "time lost on all edges of the callee is the callee's network": (
        "web -> pay; shop -> pay; web -> cart; shop -> ads",
        """
        web->pay  edge_gap/p50 0.001 0.200
        shop->pay edge_gap/p50 0.001 0.200
        web->cart edge_gap/p50 0.001 0.001
        shop->ads edge_gap/p50 0.001 0.001
        """,
        "pay",
    ),
    "time lost on all edges of the caller is the caller's network": (
        "web -> pay; web -> cart; shop -> pay; shop -> cart",
        """
        web->pay   edge_gap/p50 0.001 0.200
        web->cart  edge_gap/p50 0.001 0.200
        shop->pay  edge_gap/p50 0.001 0.001
        shop->cart edge_gap/p50 0.001 0.001
        """,
        "web",
    ),
    "time lost between what caller and callee measure is lost on the way": (
        "web -> pay; shop -> pay; web -> cart",
        """
        web->pay  latency/mean 0.050 0.450
        pay<-web  latency/mean 0.049 0.049 0
        shop->pay latency/mean 0.050 0.450
        pay<-shop latency/mean 0.049 0.049 0
        web->cart latency/mean 0.050 0.050
        cart<-web latency/mean 0.049 0.049
        """,
        "pay",
    ),
    "a statement that no longer comes is where work stops": (
        "web -> cart -> db",
        "cart log_lines:order-placed 2.0 0.0 -30\ncart log_lines:cart-opened 3.0 3.0\nweb log_lines:page-shown 5.0 5.0",
        "cart",
    ),
    "an operation that is no longer run is where work stops": (
        "web -> cart -> db",
        "cart operation:place 2.0 0.0 -30\nweb operation:show 5.0 5.0",
        "cart",
    ),
    "what stops reporting is a suspect": (
        "web -> cart -> db",
        "cart cpu 0.5 nan\ncart memory 1e9 nan\nweb cpu 0.5 0.5\ndb cpu 0.5 0.5",
        "cart",
    ),
    "what restarts is a suspect": (
        "web -> cart -> db",
        "cart restarts 0 3\nweb latency/mean 0.100 0.105 4",
        "cart",
    ),
    "what its scraper calls down is a suspect": ("web -> cart -> db", "cart up 1 0\nweb up 1 1", "cart"),
    "own time tells who is slow in a chain of waiting callers": (
        "web -> cart -> db",
        """
        web  self_time:self_time_mean/mean 0.010 0.010
        cart self_time:self_time_mean/mean 0.010 0.300
        db   self_time:self_time_mean/mean 0.010 0.010
        """,
        "cart",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_culprit_is_first(case):
    system, table, culprit = CASES[case]
    ranking = ranked(system, table)
    assert order(ranking)[0] == culprit
    assert ranking.scored[0].score > ranking.scored[1].score


@pytest.mark.parametrize("case", CASES)
def test_the_culprit_is_first_from_the_entry_too(case):
    system, table, culprit = CASES[case]
    topology = graph(system)
    if culprit in topology.distances("web"):
        assert order(ranked(system, table, target="web"))[0] == culprit


def test_how_much_a_callee_explains_is_a_share_of_the_callers_seconds():
    explained = ranked("web -> cart -> db", SLOW_CHAIN).explained
    assert explained["web", "latency"].by == "cart"
    assert explained["web", "latency"].share == pytest.approx(1.0)
    assert explained["cart", "latency"].share == pytest.approx(0.395 / 0.4)
    assert explained["db", "latency"].share == 0.0


def test_a_callee_explains_no_more_than_it_lost():
    table = "web latency/mean 0.1 0.5\ncart latency/mean 0.05 0.07"
    assert ranked("web -> cart", table).explained["web", "latency"].share == pytest.approx(0.05)
    assert order(ranked("web -> cart", table))[0] == "web"


def test_a_component_that_does_not_call_the_slow_one_is_not_explained_by_it():
    explained = ranked("cart -> db; web -> ads", SLOW_CHAIN).explained
    assert explained["web", "latency"].share == 0.0


BYSTANDER = "web -> cart -> db; ads -> ads-db"


@pytest.mark.parametrize(
    "noise", ["ads latency/mean 0.1 9.0 900", "ads cpu 0.5 8.0 900", "ads restarts 0 9", "ads errors 0 1 900"]
)
def test_a_loud_bystander_does_not_win(noise):
    assert order(ranked(BYSTANDER, SLOW_CHAIN + noise, target="web"))[0] == "db"


def test_a_bystander_is_weakened_by_being_out_of_reach():
    table = "ads cpu 0.5 8.0 900"
    assert score(ranked(BYSTANDER, table, target="web"), "ads") < score(ranked(BYSTANDER, table), "ads")
    assert score(ranked(BYSTANDER, table, target="ads"), "ads") == score(ranked(BYSTANDER, table), "ads")


def test_a_target_that_the_graph_does_not_know_weakens_nobody():
    table = "ads cpu 0.5 8.0"
    assert score(ranked(BYSTANDER, table, target="elsewhere"), "ads") == score(ranked(BYSTANDER, table), "ads")


SHARED_HOST = "web -> cart; cart on node-1; ads on node-1; host node-1"
STARVED = "cart latency/mean 0.05 0.15\nnode-1 cpu 2.0 7.9\n"


def test_a_starved_host_clears_the_guest_that_only_suffers():
    alone = ranked(SHARED_HOST, "cart latency/mean 0.05 0.15")
    assert score(ranked(SHARED_HOST, STARVED), "cart") < score(alone, "cart")


def test_a_guest_that_uses_more_itself_clears_its_host_and_is_not_cleared():
    innocent, guilty = ranked(SHARED_HOST, STARVED), ranked(SHARED_HOST, STARVED + "cart cpu 0.5 6.0")
    assert score(guilty, "node-1") < score(innocent, "node-1")
    assert score(guilty, "cart") > score(innocent, "cart")
    assert order(guilty)[0] == "cart"


def at(minutes_before, component="cart"):
    return ChangeEvent(component, ONSET - timedelta(minutes=minutes_before), "deploy", "v2")


TWINS = "cart latency/mean 0.1 0.3\nads latency/mean 0.1 0.3"


def test_a_change_shortly_before_tips_the_scale():
    assert order(ranked("web -> cart; web -> ads", TWINS))[:2] == ["ads", "cart"]
    assert order(ranked("web -> cart; web -> ads", TWINS, changes=(at(5),)))[0] == "cart"


@pytest.mark.parametrize("minutes", [-30, -5, 60 * 24])
def test_a_change_after_the_onset_or_long_before_is_no_cause(minutes):
    ranking = ranked("web -> cart; web -> ads", TWINS, changes=(at(minutes),))
    assert "change" not in channels(ranking, "cart")
    assert order(ranking) == order(ranked("web -> cart; web -> ads", TWINS))


def test_the_nearer_a_change_the_more_it_counts():
    near, far = (score(ranked("web -> cart", TWINS, changes=(at(m),)), "cart") for m in (2, 90))
    assert near > far


def test_a_change_alone_does_not_beat_the_trouble_itself():
    ranking = ranked("web -> cart; web -> ads", "ads latency/mean 0.1 0.9", changes=(at(5),))
    assert order(ranking)[0] == "ads"


def fired(*pairs):
    return tuple(Alert(component, name, ONSET) for component, name in pairs)


def test_with_alerts_alone_who_has_the_most_different_ones_is_first():
    alerts = fired(("cart", "slow"), ("db", "slow"), ("db", "full"), ("db", "down"), ("cart", "slow"))
    assert order(ranked("web -> cart -> db", "", alerts=alerts)) == ["db", "cart", "web"]


def test_alerts_do_not_outvote_series():
    alerts = fired(("web", "slow"), ("web", "late"), ("web", "burn"))
    assert order(ranked("web -> cart -> db", SLOW_CHAIN, alerts=alerts))[0] == "db"
    assert "alerts" not in channels(ranked("web -> cart -> db", SLOW_CHAIN, alerts=alerts), "web")


def test_the_other_name_of_a_component_explains_its_caller():
    balancer = "shop-orders.eu.lb.example.com"
    table = f"site latency/mean 0.1 0.5\nsite->{balancer} latency/mean 0.05 0.45\norders latency/mean 0.05 0.45"
    ranking = ranked(f"site -> {balancer}; orders -> stock", table, target="site")
    assert order(ranking)[0] == "orders"
    assert order(ranking).index("site") > 0


def test_a_complaint_that_stays_away_is_no_complaint():
    found = ranked("web -> cart", "cart log_lines:connection-refused-error 2.0 0.0 -30")
    assert "log_missing" not in channels(found, "cart")


def test_the_machine_below_is_not_the_component():
    series = Series("cart", "cpu", MetricKind.CPU, "cores", host=True)
    ranking = rank([Deviation(series, 1.0, 9.0, 90.0)], graph("web -> cart"), Context())
    assert score(ranking, "cart") == 0.0


def test_nothing_unusual_scores_nothing_and_names_decide():
    ranking = ranked("web -> cart -> db", "web latency/mean 0.1 0.11 2\ncart cpu 0.5 0.5")
    assert [(s.component, s.score) for s in ranking.scored] == [("cart", 0.0), ("db", 0.0), ("web", 0.0)]


def test_nothing_at_all_is_ranked_too():
    assert rank([], graph(""), Context()).scored == ()


def test_a_component_without_a_place_in_the_graph_is_a_suspect_all_the_same():
    assert order(ranked("web -> cart", "lonely cpu 0.5 8.0"))[0] == "lonely"


def test_pseudo_components_are_no_suspects():
    assert order(ranked("__entry__ -> web", "__entry__ latency/mean 0.1 9.0")) == ["web"]


@pytest.mark.parametrize(
    ("line", "fault_type"),
    [
        ("cart cpu 0.5 8.0", "cpu"),
        ("cart memory 1e9 8e9", "memory"),
        ("cart disk 1e6 8e8", "disk"),
        ("cart latency/mean 0.1 0.9", "latency"),
        ("cart errors 0.0 0.9", "errors"),
        ("cart restarts 0 3", "crash"),
        ("cart cpu 0.5 nan", "silence"),
        ("web traffic/rate 100 900", "traffic"),
        ("web->cart edge_gap/p50 0.001 0.9", "network"),
        ("cart latency/mean 0.1 0.1", "unknown"),
    ],
)
def test_the_fault_type_is_that_of_the_heaviest_finding(line, fault_type):
    assert fault_type_of(ranked("web -> cart", line).scored[0]) == fault_type
