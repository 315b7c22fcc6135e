"""Backstage's catalog to claims: who owns what, where to read on, and what depends on what.

Entities and their references are as in Backstage's descriptor format (backstage.io/docs/features/software-catalog). A
reference is `[kind:][namespace/]name`, in any case; its kind follows from the field where that has one, else a
Component is meant, or a Resource. What it does not find is a component of its own, with a note.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter.readers.statements import as_list, as_record
from hypocenter.signals.components import type_of
from hypocenter_graph.claims import SOURCES, ComponentClaim, DependencyClaim, Discovered, Interval, check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from hypocenter.readers.statements import Record

SOURCE = "backstage"
_TYPES = {
    "s3-bucket": ComponentType.EXTERNAL,
    "bucket": ComponentType.EXTERNAL,
    "object-store": ComponentType.EXTERNAL,
    "external": ComponentType.EXTERNAL,
    "saas": ComponentType.EXTERNAL,
    "topic": ComponentType.QUEUE,
    "kafka-topic": ComponentType.QUEUE,
    "message-broker": ComponentType.QUEUE,
    "host": ComponentType.HOST,
    "server": ComponentType.HOST,
    "vm": ComponentType.HOST,
    "service": ComponentType.SERVICE,
    "website": ComponentType.SERVICE,
}
_KUBERNETES_ID = "backstage.io/kubernetes-id"
_SELECTOR = "backstage.io/kubernetes-label-selector"
_NAMING_LABELS = ("app", "app.kubernetes.io/name", "app.kubernetes.io/instance", "k8s-app")
_MOST_SHOWN = 5

COMPONENT_KINDS = ("component", "resource")

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Reference:
    """What a field refers to; `kind` is in lower case, and "" where it is not said."""

    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> Key:
        """Kind, namespace and name in lower case, as Backstage compares them."""
        return self.kind, self.namespace.lower(), self.name.lower()


@dataclass(frozen=True)
class Entity:
    """One entity of the catalog; `key` is kind, namespace and name in lower case, as references are compared."""

    key: Key
    name: str
    namespace: str
    where: str
    metadata: Record
    spec: Record


@dataclass
class _Catalog:
    """Entities, component names and API providers by key, and what following references did not find."""

    entities: Mapping[Key, Entity]
    names: Mapping[Key, str]
    providers: Mapping[Key, list[str]]
    taken: set[str]
    unresolved: dict[Key, str] = field(default_factory=dict)
    unprovided: set[str] = field(default_factory=set)


def discover_backstage(documents: Iterable[object], where: str, at: datetime) -> Discovered:
    """Return what the entities of a catalog say, holding from `at` on.

    Components and Resources are components, with owner, links and type; `dependsOn`, `dependencyOf` and
    `subcomponentOf` are `DEPENDS_ON`, and who consumes an API depends on who provides it. Systems and domains are
    nothing that could break. Raises InputError when a document is no entity, or one is there twice.
    """
    entities = _entities(documents, where)
    names = _names(entities)
    catalog = _Catalog(entities, names, _providers(entities, names), set(names.values()))
    edges = dict.fromkeys(edge for entity in entities.values() for edge in _edges(entity, catalog))
    notes: list[str] = []
    components = [_component(entity, catalog, at, notes) for entity in entities.values() if entity.key in catalog.names]
    components += [ComponentClaim(name, SOURCE, (Interval(at, None),)) for name in sorted(catalog.unresolved.values())]
    return Discovered(
        tuple(components),
        tuple(_dependency(caller, callee, at) for caller, callee in edges if caller != callee),
        (*notes, *_notes(catalog, where)),
    )


def _entities(documents: Iterable[object], where: str) -> dict[Key, Entity]:
    found: dict[Key, Entity] = {}
    for number, document in enumerate(documents):
        entity = _entity(document, f"{where}: document {number + 1}")
        if entity.key in found:
            raise InputError(f"{entity.where} is there twice, first in {found[entity.key].where}; keep one")
        found[entity.key] = entity
    return found


def _entity(document: object, place: str) -> Entity:
    record = as_record(document, place)
    kind, metadata = record.get("kind"), as_record(record.get("metadata"), f"{place}: metadata")
    if not isinstance(kind, str) or not kind:
        raise InputError(f"{place}: field 'kind' must be text, as Component; give entities of Backstage's catalog")
    name = check_name(metadata.get("name"), f"{place}: metadata.name")
    where = f"{place} ({kind[:80]!r} {name[:80]!r})"
    namespace = check_name(metadata.get("namespace") or "default", f"{where}: metadata.namespace")
    key = (kind.lower(), namespace.lower(), name.lower())
    return Entity(key, name, namespace, where, metadata, as_record(record.get("spec"), f"{where}: spec"))


def _names(entities: Mapping[Key, Entity]) -> dict[Key, str]:
    """Return what components are called: `name`, or `namespace/name` or `kind:namespace/name` where others are too."""
    forms = {}
    for key, entity in entities.items():
        if key[0] in COMPONENT_KINDS:
            full = f"{entity.namespace}/{entity.name}"
            forms[key] = (entity.name, full, f"{key[0]}:{full}")
    counts = Counter(form.lower() for each in forms.values() for form in each)
    return {key: next((form for form in each if counts[form.lower()] == 1), each[-1]) for key, each in forms.items()}


def _providers(entities: Mapping[Key, Entity], names: Mapping[Key, str]) -> dict[Key, list[str]]:
    """Return the components that provide each API."""
    found: dict[Key, list[str]] = {}
    for key, name in names.items():
        for api in _references(entities[key], "providesApis", "api"):
            found.setdefault(api.key, []).append(name)
    return found


def _edges(entity: Entity, catalog: _Catalog) -> Iterator[tuple[str, str]]:
    """Yield caller and callee of what an entity says."""
    if entity.key not in catalog.names:
        return
    name = catalog.names[entity.key]
    for callee in _references(entity, "dependsOn"):
        yield from ((name, end) for end in _ends(callee, catalog))
    for caller in _references(entity, "dependencyOf"):
        yield from ((end, name) for end in _ends(caller, catalog))
    for api in _references(entity, "consumesApis", "api"):
        yield from ((name, end) for end in _ends(api, catalog))
    for whole in _references(entity, "subcomponentOf", "component"):
        yield from ((end, name) for end in _ends(whole, catalog))


def _references(entity: Entity, name: str, kind: str = "") -> list[Reference]:
    """Return what a field of an entity refers to; `kind` is that of references that do not say one."""
    stated = entity.spec.get(name)
    place = f"{entity.where}: spec.{name}"
    values = [stated] if isinstance(stated, (str, dict)) else as_list(stated, place)
    return [parse_reference(value, place, kind, entity.namespace) for value in values]


def parse_reference(value: object, where: str, kind: str, namespace: str) -> Reference:
    """Return a reference; `kind` and `namespace` are those it may leave out. Raises InputError when it is none.

    >>> parse_reference("resource:Orders-DB", "catalog.yaml", "", "default").key
    ('resource', 'default', 'orders-db')
    """
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [value.get("kind") or kind, value.get("namespace") or namespace, value.get("name")]
    elif isinstance(value, str):
        before, colon, rest = value.partition(":")
        space, slash, name = (rest if colon else value).partition("/")
        parts = [before if colon else kind, space if slash else namespace, name if slash else space]
    if not parts or not all(isinstance(part, str) for part in parts) or not all(parts[1:]):
        raise InputError(f"{where}: {str(value)[:80]!r} is no reference; write [kind:][namespace/]name")
    return Reference(parts[0].lower(), check_name(parts[1], where), check_name(parts[2], where))


def _ends(reference: Reference, catalog: _Catalog) -> list[str]:
    """Return the components that a reference means: for an API those that provide it, none for systems and the like."""
    kinds = [reference.kind] if reference.kind else [*COMPONENT_KINDS, "api"]
    keys = [replace(reference, kind=kind).key for kind in kinds]
    found = next((key for key in keys if key in catalog.entities), keys[0])
    if found[0] == "api":
        providers = catalog.providers.get(found, [])
        if not providers:
            catalog.unprovided.add(reference.name)
        return providers
    if found in catalog.names:
        return [catalog.names[found]]
    if found in catalog.entities or found[0] not in COMPONENT_KINDS:
        return []
    if found not in catalog.unresolved:
        catalog.unresolved[found] = _free_name(found[0], reference, catalog.taken)
        catalog.taken.add(catalog.unresolved[found])
    return [catalog.unresolved[found]]


def _free_name(kind: str, reference: Reference, taken: set[str]) -> str:
    """Return what something that is not in the catalog is called, so that it is not taken for what is."""
    full = f"{reference.namespace}/{reference.name}"
    plain = reference.name if reference.namespace == "default" else full
    return f"{kind}:{full}" if plain in taken else plain


def _component(entity: Entity, catalog: _Catalog, at: datetime, notes: list[str]) -> ComponentClaim:
    name = catalog.names[entity.key]
    return ComponentClaim(
        check_name(name, entity.where),
        SOURCE,
        (Interval(at, None),),
        _type(entity),
        _owner(entity),
        _links(entity, notes),
        tuple(sorted(_aliases(entity) - {name})),
    )


def _type(entity: Entity) -> ComponentType | None:
    """Return what `spec.type` says that a component is, None where nobody knows the word."""
    stated = str(entity.spec.get("type") or "").lower()
    found = _TYPES.get(stated) or type_of(stated)
    return None if found is ComponentType.SERVICE and stated not in _TYPES else found


def _owner(entity: Entity) -> str:
    """Return the owner as people call it: without kind and the default namespace."""
    if not entity.spec.get("owner"):
        return ""
    owner = parse_reference(entity.spec["owner"], f"{entity.where}: spec.owner", "group", entity.namespace)
    return owner.name if owner.namespace == "default" else f"{owner.namespace}/{owner.name}"


def _links(entity: Entity, notes: list[str]) -> tuple[str, ...]:
    """Return the links that a browser may follow; others are noted, for a report shows them."""
    place = f"{entity.where}: metadata.links"
    urls = [as_record(item, place).get("url") for item in as_list(entity.metadata.get("links"), place)]
    kept = [url for url in urls if isinstance(url, str) and url.lower().startswith(("http://", "https://"))]
    if len(kept) < len(urls):
        notes.append(f"{place}: {len(urls) - len(kept)} of {len(urls)} are no http or https URL and were left out")
    return tuple(dict.fromkeys(kept))


def _aliases(entity: Entity) -> set[str]:
    """Return the names that Kubernetes' objects of a component go by, as its annotations say."""
    annotations = as_record(entity.metadata.get("annotations"), f"{entity.where}: metadata.annotations")
    found = {annotations.get(_KUBERNETES_ID)}
    selector = annotations.get(_SELECTOR)
    for term in selector.split(",") if isinstance(selector, str) else ():
        label, equal, value = term.partition("=")
        if equal and label.strip() in _NAMING_LABELS:
            found.add(value.removeprefix("=").strip())
    return {check_name(name, entity.where) for name in found if isinstance(name, str) and name.strip()}


def _dependency(caller: str, callee: str, at: datetime) -> DependencyClaim:
    sure = SOURCES[SOURCE].confidence
    return DependencyClaim(caller, callee, DependencyType.DEPENDS_ON, SOURCE, (Interval(at, None),), sure)


def _notes(catalog: _Catalog, where: str) -> Iterator[str]:
    for names, text in (
        (catalog.unresolved.values(), "are referred to and not in the catalog: components of their own"),
        (catalog.unprovided, "are APIs that nobody provides: who consumes them depends on nothing known"),
    ):
        if names:
            shown = ", ".join(repr(name[:80]) for name in sorted(names)[:_MOST_SHOWN])
            yield f"{where}: {len(names)} {text}: {shown}"
