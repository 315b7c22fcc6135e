"""The life of registered models: promoted through the gate or by force with a reason, and rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.model_card import card_from_json
from hypocenter.stores.records import ModelEvent, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.stores.records import ModelStore, ModelVersion

PROMOTED, ROLLED_BACK = "promoted", "rolled back"


class GateError(InputError):
    """The gate does not let this version of a model through; it may be promoted by force."""


def versions_of(store: ModelStore, name: str) -> Sequence[ModelVersion]:
    """Return the versions of a name, oldest first. Raises InputError when there are none."""
    every = store.models()
    found = [model for model in every if model.name == name]
    if not found:
        known = ", ".join(sorted({model.name for model in every})) or "none is registered yet"
        raise InputError(f"there is no model {name}; choose from: {known}")
    return found


def serving(store: ModelStore, name: str) -> ModelVersion | None:
    """Return the version of a name that serves, None where none does."""
    return next((model for model in store.models() if model.name == name and model.status is Status.SERVING), None)


def promote(store: ModelStore, event: ModelEvent) -> None:
    """Put a version to serve that the gate let through, or by force with a reason.

    The gate compared it, on incidents held back from training, with what served then: where something else serves
    now, its answer does not count. Raises GateError where it let it not through,
    InputError for what cannot be.
    """
    versions = versions_of(store, event.name)
    chosen = next((one for one in versions if one.version == event.version), None)
    if chosen is None:
        raise InputError(f"there is no model {event.name} version {event.version}; see: hypocenter models list")
    current = next((one for one in versions if one.status is Status.SERVING), None)
    if current is not None and current.version == event.version:
        raise InputError(f"{event.name} version {event.version} is serving already")
    if event.forced and not event.reason:
        raise InputError("a promotion by force needs a reason")
    doubt = "" if event.forced else _doubt(chosen, current)
    if doubt:
        raise GateError(f"{event.name} version {event.version} is not promoted: {doubt}")
    store.serve(event, instead_of=current.version if current else None)


def roll_back(store: ModelStore, name: str, at: datetime, by: str = "", reason: str = "") -> ModelEvent:
    """Put the version to serve again that served before the present one; return what was done.

    Raises InputError when there is none. A second call goes one further back.
    """
    versions_of(store, name)
    stack = serving_stack(store.model_events(name))
    if len(stack) < 2:
        raise InputError(f"no version of {name} served before; `hypocenter models promote` puts one to serve")
    event = ModelEvent(name, stack[-2], ROLLED_BACK, at, by, reason)
    store.serve(event, instead_of=stack[-1])
    return event


def serving_stack(events: Sequence[ModelEvent]) -> list[int]:
    """Return the versions that a roll-back leads through, the serving one last: a roll-back takes one off.

    >>> from datetime import datetime
    >>> said = [(1, "promoted"), (2, "promoted"), (3, "promoted"), (2, "rolled back"), (4, "promoted")]
    >>> serving_stack([ModelEvent("shop", version, action, datetime.min) for version, action in said])
    [1, 2, 4]
    """
    stack: list[int] = []
    for event in events:
        stack = stack[:-1] if event.action == ROLLED_BACK else [*stack, event.version]
    return stack


def served_as(name: str, current: ModelVersion | None) -> str:
    """Return what a new model has to beat, as its card names it."""
    return "" if current is None else f"{name} version {current.version}"


def _doubt(chosen: ModelVersion, current: ModelVersion | None) -> str:
    """Return why the gate does not let a version through, "" where it does."""
    gate = card_from_json(chosen.card).gate
    if gate is None:
        return "it was compared with nothing"
    if not gate.admitted:
        return gate.reason
    now = served_as(chosen.name, current)
    if gate.against != now:
        compared = gate.against or "the unlearned ranking"
        return f"it was compared with {compared}, and {now or 'none'} serves now; train it anew"
    return ""
