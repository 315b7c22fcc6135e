"""Spans to claims: who calls whom, when, how often; and what strange spans are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter.readers.case_folder import read_case_folder
from hypocenter.readers.folders import case_folders
from hypocenter.signals.minutes import minute_edges
from hypocenter.signals.spans import edges_of, read_tree
from hypocenter_graph.discover.spans import discover_spans

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from hypocenter_graph.claims import Discovered

START = pd.Timestamp("2026-03-01T12:00:00Z")


def spans(*rows: tuple[float, str, str, str]) -> pd.DataFrame:
    """Rows of (second, span, parent, service), all of one trace."""
    return pd.DataFrame(
        {
            "time": pd.to_datetime([START + pd.Timedelta(seconds=row[0]) for row in rows], utc=True).as_unit("ns"),
            "trace": "t",
            "span": [row[1] for row in rows],
            "parent": [row[2] for row in rows],
            "service": [row[3] for row in rows],
            "operation": "get",
            "duration_us": 1000,
        }
    )


def test_a_span_whose_parent_is_anothers_is_a_call() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "web"), (2, "c", "b", "cart"), (10, "d", "", "web"))
    found = discover_spans(frame, "spans")
    (call,) = found.dependencies
    assert (call.caller, call.callee, call.type, call.source) == ("web", "cart", DependencyType.CALLS, "spans")
    assert call.seen[0].first == call.seen[0].last == START + pd.Timedelta(seconds=2)
    assert call.calls_per_s == 1 / 10
    assert [component.name for component in found.components] == ["cart", "web"]
    assert found.notes == ()


def test_the_investigation_sees_the_same_calls() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "cart"), (2, "c", "b", "db"), (3, "d", "a", "db"))
    seen = {(edge.caller, edge.callee) for edge in edges_of(read_tree(frame))}
    assert {(claim.caller, claim.callee) for claim in discover_spans(frame, "spans").dependencies} == seen


def calls(found: Discovered) -> set[tuple[str, str]]:
    return {(claim.caller, claim.callee) for claim in found.dependencies if claim.type is DependencyType.CALLS}


def links(found: Discovered) -> set[tuple[str, str, str]]:
    return {(claim.caller, claim.type.value, claim.callee) for claim in found.dependencies}


SERVICES = st.sampled_from(["web", "cart", "db"])
ROWS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 8), st.integers(-1, 8), SERVICES), min_size=1, max_size=14
)


@settings(max_examples=80)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_investigation_sees_the_same_calls_in_any_order(
    rows: list[tuple[int, int, int, str]], dice: Random
) -> None:
    once = list({span: (second, str(span), str(parent), service) for second, span, parent, service in rows}.values())
    found = discover_spans(spans(*once), "spans")
    edges = edges_of(read_tree(spans(*once)))
    assert calls(found) == {(edge.caller, edge.callee) for edge in edges}
    dice.shuffle(once)
    assert discover_spans(spans(*once), "spans") == found


def test_minutes_counted_from_the_same_spans_show_the_same_calls() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "cart"), (2, "c", "b", "db"), (70, "d", "a", "cart"))
    tree = read_tree(frame)
    counted = pd.DataFrame({"caller": ["web", "cart", "web"], "callee": ["cart", "db", "cart"]})
    assert calls(discover_spans(frame, "spans")) == {(edge.caller, edge.callee) for edge in minute_edges(counted)}
    assert int(tree.crosses.sum()) == len(counted)


def test_calls_that_pause_long_are_seen_twice() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "cart"), (2000, "c", "a", "cart"), (2400, "d", "a", "cart"))
    (call,) = discover_spans(frame, "spans").dependencies
    seconds = [((each.first - START).total_seconds(), (each.last - START).total_seconds()) for each in call.seen]
    assert seconds == [(1, 1), (2000, 2400)]


def test_one_short_trace_tells_no_rate() -> None:
    (call,) = discover_spans(spans((0, "a", "", "web"), (0.1, "b", "a", "cart")), "spans").dependencies
    assert call.calls_per_s is None


def test_a_child_that_begins_before_its_parent_is_a_call_all_the_same() -> None:
    assert calls(discover_spans(spans((5, "a", "", "web"), (0, "b", "a", "cart")), "spans")) == {("web", "cart")}


def test_strange_spans_are_noted() -> None:
    frame = spans(
        (0, "a", "", "web"), (1, "b", "gone", "cart"), (2, "c", "d", "x"), (3, "d", "c", "x"), (4, "e", "e", "web"),
        (5, "f", "0" * 16, "web"), (0, "a", "", "web"), (6, "g", "a", ""), (7, "h", "a", "x" * 600),
    )  # fmt: skip
    frame.loc[5, "time"] = pd.Timestamp(0, tz="UTC")
    found = discover_spans(frame, "spans")
    assert found.dependencies == ()
    assert found.notes == (
        "spans: 1 of 9 spans without a time after 1970 left out",
        "spans: 2 of 9 spans without a service name that can be one left out",
        "spans: 1 of 9 spans recorded twice counted once",
        "spans: 2 of 5 spans name a parent that was not recorded: the calls they answer are not seen",
        "spans: 2 of 5 spans are their own ancestors: ids repeat, so some calls may be wrong",
    )


def test_ids_repeat_in_other_traces() -> None:
    frame = pd.concat([spans((0, "a", "", "web"), (1, "b", "a", "cart")), spans((0, "a", "", "ads")).assign(trace="u")])
    frame = pd.concat([frame, frame.iloc[:1]])
    assert calls(discover_spans(frame, "spans")) == {("web", "cart")}


def test_of_spans_that_share_an_id_the_earliest_is_the_parent() -> None:
    rows = [(0, "a", "", "web"), (1, "a", "", "ads"), (2, "b", "a", "cart")]
    for order in (rows, rows[::-1]):
        found = discover_spans(spans(*order), "spans")
        assert calls(found) == {("web", "cart")}
        assert found.notes == ("spans: 2 of 3 spans share an id: the earliest is taken to be the parent",)


def test_services_of_nobody_are_left_out() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "unknown_service:java"))
    found = discover_spans(frame, "spans")
    assert [claim.name for claim in found.components] == ["web"]


def test_nothing_shows_nothing_and_a_missing_column_is_named() -> None:
    assert discover_spans(spans((0, "a", "", "web")).iloc[:0], "spans").components == ()
    with pytest.raises(InputError, match="spans: no column parent"):
        discover_spans(spans((0, "a", "", "web")).drop(columns="parent"), "spans")


def client(kind: str = "client", **texts: str) -> pd.DataFrame:
    """A server span of `web` and one client span below it."""
    frame = spans((0, "a", "", "web"), (1, "b", "a", "web")).assign(kind=["server", kind])
    return frame.assign(**{name: ["", text] for name, text in texts.items()})


@pytest.mark.parametrize(
    ("texts", "callee", "type_"),
    [
        ({"address": "api.example.com"}, "api.example.com", ComponentType.EXTERNAL),
        ({"address": "8.8.8.8"}, "8.8.8.8", ComponentType.EXTERNAL),
        ({"address": "10.1.2.3"}, "10.1.2.3", None),
        ({"address": "legacy"}, "legacy", None),
        ({"address": "legacy.shop.svc.cluster.local"}, "legacy.shop.svc.cluster.local", None),
        ({"peer": "billing", "address": "10.1.2.3"}, "billing", None),
        ({"db_system": "postgresql", "db_name": "orders", "address": "pg-0"}, "pg-0", ComponentType.DATABASE),
        ({"db_system": "postgresql", "db_name": "orders"}, "postgresql:orders", ComponentType.DATABASE),
        ({"db_system": "mysql", "db_name": "orders", "address": "127.0.0.1"}, "mysql:orders", ComponentType.DATABASE),
        ({"db_system": "redis"}, "redis", ComponentType.CACHE),
        ({"db_system": "memcached", "peer": "sessions"}, "sessions", ComponentType.CACHE),
    ],
)
def test_an_unanswered_call_tells_whom_it_asked(
    texts: dict[str, str], callee: str, type_: ComponentType | None
) -> None:
    found = discover_spans(client(**texts), "spans")
    assert links(found) == {("web", "CALLS", callee)}
    assert {claim.name: claim.type for claim in found.components} == {"web": None, callee: type_}


@pytest.mark.parametrize("texts", [{"address": "localhost"}, {"address": ""}, {"peer": "web"}, {"db_name": "orders"}])
def test_an_unanswered_call_to_nobody_shows_nothing(texts: dict[str, str]) -> None:
    assert discover_spans(client(**texts), "spans").dependencies == ()


@pytest.mark.parametrize("kind", ["CLIENT", "SPAN_KIND_CLIENT", "3"])
def test_kinds_are_words_or_numbers(kind: str) -> None:
    assert calls(discover_spans(client(kind, address="legacy"), "spans")) == {("web", "legacy")}


@pytest.mark.parametrize("kind", ["server", "internal", ""])
def test_only_a_client_asks_an_address(kind: str) -> None:
    assert discover_spans(client(kind, address="legacy"), "spans").dependencies == ()


def test_who_answers_at_an_address_is_who_is_asked_there() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "web"), (2, "c", "b", "cart"), (3, "d", "a", "web"))
    frame = frame.assign(kind=["server", "client", "server", "client"], address=["", *["cart.shop.svc"] * 3])
    found = discover_spans(frame, "spans")
    assert calls(found) == {("web", "cart")}
    assert {claim.name: claim.aliases for claim in found.components}["cart"] == ("cart.shop.svc",)


def test_an_address_at_which_several_answer_is_none_of_them() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "cart"), (2, "c", "", "web"), (3, "d", "c", "ads"))
    frame = frame.assign(kind=["client", "server"] * 2, address=["proxy", ""] * 2)
    found = discover_spans(frame, "spans")
    assert [claim.aliases for claim in found.components] == [()] * 3


def test_a_client_span_around_another_asks_nobody_itself() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "web"), (2, "c", "b", "web"), (3, "d", "c", "cart"))
    frame = frame.assign(kind=["client", "internal", "client", "server"], address=["x.example.com", "", "cart:80", ""])
    assert calls(discover_spans(frame, "spans")) == {("web", "cart")}


def message(sender: dict[str, str], taker: dict[str, str]) -> Discovered:
    frame = spans((0, "a", "", "shop"), (1, "b", "a", "mail"))
    names = sorted({*sender, *taker})
    return discover_spans(
        frame.assign(**{name: [sender.get(name, ""), taker.get(name, "")] for name in names}), "spans"
    )


ORDERS = {"messaging_system": "kafka", "destination": "orders"}
BY_QUEUE = {("shop", "PUBLISHES", "kafka:orders"), ("mail", "CONSUMES", "kafka:orders")}


def test_a_message_is_passed_by_its_queue() -> None:
    assert links(message({"kind": "producer", **ORDERS}, {"kind": "consumer", **ORDERS})) == BY_QUEUE
    assert links(message({"kind": "producer", **ORDERS}, {"kind": "consumer"})) == BY_QUEUE
    sends, takes = ({"kind": "client", "messaging_operation": verb, **ORDERS} for verb in ("publish", "receive"))
    assert links(message(sends, takes)) == BY_QUEUE


def test_a_queue_depends_on_the_broker_it_is_spoken_to_at() -> None:
    at_broker = {"address": "kafka.shop.svc", **ORDERS}
    by_broker = ("kafka:orders", "DEPENDS_ON", "kafka.shop.svc")
    assert links(message({"kind": "producer", **at_broker}, {"kind": "consumer", **ORDERS})) == BY_QUEUE | {by_broker}
    assert links(message({"kind": "producer", **ORDERS}, {"kind": "consumer", **at_broker})) == BY_QUEUE | {by_broker}
    nowhere = {"kind": "producer", "address": "localhost", **ORDERS}
    assert links(message(nowhere, {"kind": "consumer", **ORDERS})) == BY_QUEUE


def test_a_message_of_an_unnamed_queue_is_a_call() -> None:
    assert links(message({"kind": "producer"}, {"kind": "consumer"})) == {("shop", "CALLS", "mail")}


def test_a_queue_for_a_moment_goes_by_its_broker() -> None:
    reply = {"messaging_system": "rabbitmq", "destination": "amq.gen-9k", "temporary": "true", "address": "mq"}
    assert links(message({"kind": "producer", **reply}, {"kind": "consumer", **reply})) == {
        ("shop", "PUBLISHES", "mq"),
        ("mail", "CONSUMES", "mq"),
    }


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            {"pod": "web-0", "node": "n1", "host": "web-0"},
            {("web-0", "INSTANCE_OF", "web"), ("web-0", "RUNS_ON", "n1")},
        ),
        ({"pod": "web-0", "host": "web-0"}, {("web-0", "INSTANCE_OF", "web")}),
        ({"instance": "7", "host": "vm1"}, {("web@7", "INSTANCE_OF", "web"), ("web@7", "RUNS_ON", "vm1")}),
        ({"host": "vm1"}, {("web", "RUNS_ON", "vm1")}),
        ({"host": "3f2a", "container": "3f2a99"}, set()),
    ],
)
def test_resources_tell_where_a_service_runs(texts: dict[str, str], expected: set[tuple[str, str, str]]) -> None:
    found = discover_spans(spans((0, "a", "", "web")).assign(**texts), "spans")
    assert links(found) == expected
    assert all(claim.calls_per_s is None for claim in found.dependencies)


def test_names_are_data() -> None:
    name = "'}) DETACH DELETE n // \u2603\n"
    assert calls(discover_spans(spans((0, "a", "", "web"), (1, "b", "a", name)), "spans")) == {("web", name)}


@pytest.mark.data
@pytest.mark.parametrize(
    ("system", "least_recall", "unseen"),
    [("onlineboutique", 13 / 14, {("checkoutservice", "currencyservice")}), ("trainticket", 0.96, set())],
)
def test_nezha_shows_no_call_that_is_not_declared_and_finds_most(
    data_folder: Path, system: str, least_recall: float, unseen: set[tuple[str, str]]
) -> None:
    """What spans of three minutes miss is what nobody asked for in them; all cases together miss `unseen` alone.

    Of `unseen` the caller's span is there and the callee's is not: its conversion was recorded by nobody but itself.
    """
    found, wanted, ever, declared = 0, 0, set(), set()
    for folder in case_folders(data_folder / "cases" / f"nezha_{system}"):
        case = read_case_folder(folder)
        if case.spans is None or case.dependencies is None:
            continue
        seen = calls(discover_spans(case.spans, folder.name))
        assert seen == {(edge.caller, edge.callee) for edge in edges_of(read_tree(case.spans))}
        declared = {(edge.caller, edge.callee) for edge in case.dependencies}
        assert seen <= declared
        found, wanted, ever = found + len(seen), wanted + len(declared), ever | seen
    assert found / wanted >= least_recall
    assert declared - ever == unseen


def placed(*rows: tuple[float, str, str, str, str]) -> pd.DataFrame:
    """Rows of (second, span, parent, service, namespace), each in the pod `SERVICE-0`."""
    frame = spans(*(row[:4] for row in rows))
    return frame.assign(namespace=[row[4] for row in rows], pod=frame["service"] + "-0")


def test_equal_names_in_two_namespaces_are_two_services_and_two_pods() -> None:
    both = placed((0, "a", "", "web", "shop"), (1, "b", "a", "cart", "shop"), (2, "c", "a", "cart", "prod"))
    found = discover_spans(both, "spans")
    assert calls(found) == {("shop/web", "shop/cart"), ("shop/web", "prod/cart")}
    assert ("prod/cart-0", "INSTANCE_OF", "prod/cart") in links(found)
    assert {c.name: c.aliases for c in found.components}["shop/web"] == ("web",)
    assert not {"cart", "cart-0"} & {alias for claim in found.components for alias in claim.aliases}


def test_what_a_service_is_called_does_not_hang_on_what_else_was_recorded() -> None:
    shop, prod = placed((0, "a", "", "cart", "shop")), placed((0, "b", "", "cart", "prod"))
    apart = {c.name for frame in (shop, prod) for c in discover_spans(frame, "spans").components}
    assert apart == {c.name for c in discover_spans(pd.concat([shop, prod]), "spans").components}
    assert {c.name: c.aliases for c in discover_spans(shop, "spans").components} == {
        "shop/cart": ("cart",),
        "shop/cart-0": ("cart-0",),
    }


def test_the_namespace_default_and_none_leave_names_as_they_are() -> None:
    found = discover_spans(placed((0, "a", "", "web", "default"), (1, "b", "a", "cart", "")), "spans")
    assert {c.name: c.aliases for c in found.components} == {"web": (), "web-0": (), "cart": (), "cart-0": ()}
