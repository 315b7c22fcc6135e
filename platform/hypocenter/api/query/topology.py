"""What leans on what: components, and the dependencies between them as they were at a time."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from hypocenter.api.query.paging import MOST as PAGE
from hypocenter.api.query.paging import Page, Paged, page_of
from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Number, Shape, Time
from hypocenter.api.query.sources import QuerySources, Sources
from hypocenter.api.refusals import AbsentError
from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import Discovered
from hypocenter_graph.exchange import component_records, dependency_records
from hypocenter_graph.snapshot import most_connected, neighbourhood, part
from hypocenter_graph.stores.contract import GraphStore, View

MOST, USUAL = 2000, 500
_EVER = View(learned=True)
At = Annotated[Time | None, Query(description="As it was at this time; as it is now where it is left out.")]
Around = Annotated[
    str | None, Query(min_length=1, max_length=512, description="Only what is near this component.", examples=["cart"])
]
Depth = Annotated[int, Query(ge=1, le=10, description="How many steps away, either way, that is.")]
Learned = Annotated[bool, Query(description="With edges that are only suggested by metrics.")]
Most = Annotated[int, Query(alias="limit", ge=1, le=MOST, description="Most components.")]
OfType = Annotated[ComponentType | None, Query(alias="type", description="Those of this type.")]
ComponentName = Annotated[str, Path(max_length=512, description="`name` of a component.", examples=["cart"])]


class Component(Shape):
    """A node of the dependency graph."""

    name: str = Field(description="What names it.", examples=["cart"])
    type: ComponentType = Field(description="What it is.")
    owner: str = Field(description="Whom to ask; empty for unknown.", examples=["team-shop"])
    links: list[str] = Field(description="Where to read on.", examples=[["https://wiki.example/cart"]])
    aliases: list[str] = Field(description="Other names of it.", examples=[["cart.shop.svc"]])
    sources: list[str] = Field(description="Who tells of it.", examples=[["kubernetes"]])


class Seen(Shape):
    """From when to when something was seen."""

    first: Time = Field(description="From when.")
    last: Time | None = Field(description="To when; null while a declaration holds.")


class Dependency(Shape):
    """One component leans on another."""

    caller: str = Field(description="What leans.", examples=["cart"])
    callee: str = Field(description="What is leaned on.", examples=["cart-db"])
    type: DependencyType = Field(description="How.")
    sources: list[str] = Field(description="Who tells of it.", examples=[["spans"]])
    confidence: Number = Field(description="How sure that is, 0 to 1.", examples=[0.95])
    calls_per_s: Number = Field(description="Calls each second, when they were last seen; null for unknown.")
    seen: list[Seen] = Field(description="When it was seen.")


class Topology(Shape):
    """A part of the dependency graph."""

    at: Time = Field(description="As of when it is.")
    components: list[Component] = Field(description="The components, by name.")
    dependencies: list[Dependency] = Field(description="The dependencies between them.")
    left_out: int = Field(description="How many of the components nearest to them had no room.", examples=[0])


class ComponentAround(Component):
    """A component with all that it leans on and that leans on it."""

    dependencies: list[Dependency] = Field(description="Those that it is an end of, as they are now.")


def routers() -> Routers:
    """Return the router of the topology."""
    reading = new_router("topology")
    reading.add_api_route("/topology", get_topology)
    reading.add_api_route("/components", list_components)
    reading.add_api_route("/components/{name:path}", get_component)
    return {READ: reading}


def get_topology(
    sources: Sources,
    at: At = None,
    around: Around = None,
    depth: Depth = 1,
    learned: Learned = False,
    most: Most = USUAL,
) -> Topology:
    """Return the dependency graph as it was at a time, or what is near one component of it."""
    view = View(at or sources.now(), learned=learned)
    claims, left_out = _whole(sources, view, most) if around is None else _near(sources, around, view, depth, most)
    return Topology(
        at=view.at or sources.now(),
        components=_components(claims),
        dependencies=_dependencies(claims, view),
        left_out=left_out,
    )


def list_components(sources: Sources, part: Paged, of_type: OfType = None) -> Page[Component]:
    """List all components that the dependency graph ever had, by name."""
    after = "" if part.after is None else part.after.name
    # Few may be of a type: then as many are looked at in one go as a page can have.
    later = _later(sources.graph, after, part.most if of_type is None else PAGE)
    found = list(islice((each for each in later if of_type in (None, each.type)), part.most))
    return page_of(found, part.most - 1, lambda each: (0, each.name), lambda each: each)


def get_component(sources: Sources, name: ComponentName) -> ComponentAround:
    """Return a component, with the dependencies that it is an end of."""
    view = View(sources.now())
    claims, _ = _near(sources, name, view, 1, MOST)
    (found,) = [each for each in _components(claims) if each.name == _known(sources, name)]
    own = [each for each in _dependencies(claims, view) if found.name in (each.caller, each.callee)]
    return ComponentAround(**found.model_dump(), dependencies=own)


def _later(graph: GraphStore, after: str, at_once: int) -> Iterator[Component]:
    """Yield the components after a name, by name, as many read at once."""
    while names := graph.names(after, at_once):
        # What a component is may be told by what it is an end of alone.
        near = [graph.steps(names, _EVER, up=up).values() for up in (False, True)]
        beside = {other for ends in near for others in ends for other in others}
        wanted, after = set(names), names[-1]
        yield from (each for each in _components(graph.claims({*names, *beside}, _EVER)) if each.name in wanted)


def _whole(sources: QuerySources, view: View, most: int) -> tuple[Discovered, int]:
    claims = view.told(sources.graph.claims())
    names = {claim.name for claim in claims.components}
    return part(claims, most_connected(claims, most)), max(len(names) - most, 0)


def _near(sources: QuerySources, name: str, view: View, depth: int, most: int) -> tuple[Discovered, int]:
    distances, left_out = neighbourhood(sources.graph, _known(sources, name), view, depth, most)
    return sources.graph.claims(distances, view), left_out


def _known(sources: QuerySources, name: str) -> str:
    """Return the component that goes by a name; raises AbsentError where none does."""
    if sources.graph.claims([name]).components:
        return name
    owner = sources.graph.named([name]).get(name)
    if owner is None:
        raise AbsentError(f"the dependency graph has no component {name!r:.80}")
    return owner


def _components(claims: Discovered) -> list[Component]:
    return [Component.model_validate(record) for record in component_records(claims)]


def _dependencies(claims: Discovered, view: View) -> list[Dependency]:
    return list(map(_dependency, dependency_records(claims.dependencies, view.expiry)))


def _dependency(record: Mapping[str, Any]) -> Dependency:
    seen = [{"first": _time(first), "last": last and _time(last)} for first, last in record["seen"]]
    return Dependency.model_validate({**record, "seen": seen})


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
