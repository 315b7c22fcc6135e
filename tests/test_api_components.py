"""The list of components, a page at a time: the same as all at once, whatever is added or removed meanwhile."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from query_client import NOON, QueryClient, sources_of

from hypocenter.api.query.app import create_query_app
from hypocenter.model import ComponentType, DependencyType
from hypocenter.stores.opening import open_records
from hypocenter_graph.claims import LEARNED, ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.exchange import component_records
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.stores.records import Records

NAMES = st.sampled_from(["cart", "Cart", "cart-db", "a/b", "node-1", "orders", "\U0001f389", "\uff6f", "\xe9"])
SEEN, EVER = (Interval(NOON, NOON),), View(learned=True)
COMPONENTS = st.builds(
    ComponentClaim,
    NAMES,
    st.sampled_from(["spans", "kubernetes"]),
    st.just(SEEN),
    st.sampled_from([None, *ComponentType]),
)
DEPENDENCIES = st.builds(
    DependencyClaim,
    NAMES,
    NAMES,
    st.sampled_from(DependencyType),
    st.sampled_from(["spans", LEARNED]),
    st.sampled_from([SEEN, ()]),
)
GRAPHS = st.builds(
    Discovered, st.lists(COMPONENTS, max_size=6).map(tuple), st.lists(DEPENDENCIES, max_size=6).map(tuple)
)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    with closing(open_records(str(tmp_path_factory.mktemp("components") / "records.db"))) as opened:
        yield opened


def client_of(records: Records, graph: MemoryStore) -> QueryClient:
    return QueryClient(create_query_app(sources_of(records, graph=graph)))


def pages(client: QueryClient, **asked: object) -> Iterator[list[Any]]:
    """Yield the items of page after page."""
    cursor: dict[str, object] = {}
    while True:
        page = client.get("components", **asked, **cursor).json()
        yield page["items"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


@settings(max_examples=max(25, settings().max_examples // 4), deadline=None)
@given(GRAPHS, st.integers(1, 4), st.sampled_from([None, *ComponentType]))
def test_pages_are_the_whole_list_in_parts(
    records: Records, claims: Discovered, limit: int, of_type: ComponentType | None
) -> None:
    graph = MemoryStore()
    graph.upsert(claims)
    chosen = {} if of_type is None else {"type": str(of_type)}
    found = list(pages(client_of(records, graph), limit=limit, **chosen))
    wanted = [each for each in component_records(graph.claims(view=EVER)) if of_type in (None, each["type"])]
    assert [each for page in found for each in page] == wanted
    assert all(len(page) == limit for page in found[:-1])


def test_what_comes_and_goes_meanwhile_moves_nothing(records: Records) -> None:
    graph = MemoryStore()
    graph.upsert(Discovered(tuple(ComponentClaim(name, "spans", SEEN) for name in "bdfhj")))
    found = []
    for page in pages(client_of(records, graph), limit=2):
        found.append([each["name"] for each in page])
        graph.upsert(Discovered((ComponentClaim("a", "spans", SEEN), ComponentClaim("g", "spans", SEEN))))
        graph.remove([*found[-1], "h"])
    assert found == [["b", "d"], ["f", "g"], ["j"]]
