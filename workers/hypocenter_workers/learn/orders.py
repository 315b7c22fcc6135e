"""What is asked of training, from the command line or as a task, and how it is done from beginning to end."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model_card import card_to_json
from hypocenter.model_life import served_as, serving
from hypocenter_workers.learn.from_history import examples
from hypocenter_workers.learn.labels import relabelled
from hypocenter_workers.learn.model_file import write_model
from hypocenter_workers.learn.past import examples_of_history
from hypocenter_workers.learn.registry import register
from hypocenter_workers.learn.training import Opponent, train

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from hypocenter.stores.records import Records
    from hypocenter_workers.learn.examples import Example, Label
    from hypocenter_workers.learn.model_file import Model

    Tell = Callable[[str], None]


IN_A_MESSAGE = ("paths", "kept", "register", "jobs")


@dataclass(frozen=True, slots=True)
class Order:
    """What to train: labelled cases at `paths`, and with `kept` the history in the records; what to do with it.

    The model is written to `out`, and registered as `register` in the records at `records`; `jobs` processes read.
    """

    paths: tuple[str, ...] = ()
    kept: bool = False
    out: str = ""
    register: str = ""
    records: str | None = None
    jobs: int = 1


@dataclass(frozen=True)
class Trained:
    """What became of an order: the model, and its version where it was registered."""

    model: Model
    name: str = ""
    version: int | None = None


def fulfil(order: Order, now: datetime, progress: Tell = lambda _: None, note: Tell = lambda _: None) -> Trained:
    """Train what is ordered. With paths alone no records are opened; `note` is told what could not be read.

    Raises InputError for an order that asks for nothing, cases that cannot be read, or too few of them.
    """
    _check(order)
    with ExitStack() as opened:
        records = _records(order, opened)
        said = records.feedback.opinions() if records else ()
        kept = _of_records(order, records, {opinion.incident_id for opinion in said}, progress, note)
        known = relabelled(chain(_of_paths(order, progress), kept), said, note)
        model = train(known, now, opponent=_opponent(order, records), progress=progress)
        if order.out:
            write_model(Path(order.out), model)
        version = register(records.models, order.register, model) if records and order.register else None
    return Trained(model, order.register, version)


def order_from_json(message: Mapping[str, Any]) -> Order:
    """Return the order in a message, by the names of the fields of Order that it may set: IN_A_MESSAGE.

    Whoever can send a message is not to write files of the worker, nor to lead its password to another server.
    Raises InputError for anything else.

    >>> order_from_json({"paths": ["/cases"], "register": "shop"}).register
    'shop'
    """
    known = {field.name: field.default for field in fields(Order) if field.name in IN_A_MESSAGE}
    unknown = sorted(set(message) - set(known))
    if unknown:
        raise InputError(f"unknown option {', '.join(unknown)}; choose from {', '.join(known)}")
    for name, value in message.items():
        if not _fits(name, value, known[name]):
            raise InputError(f"option {name} is {value!r:.60}, which cannot be read")
    return Order(**{**message, "paths": tuple(message.get("paths", ()))})


def trained_to_json(trained: Trained) -> dict[str, Any]:
    """Return what became of an order, without the model itself."""
    return {"name": trained.name, "version": trained.version, "card": card_to_json(trained.model.card)}


def _fits(name: str, value: Any, default: object) -> bool:
    if name == "paths":
        return isinstance(value, list) and all(isinstance(path, str) for path in value)
    if name == "jobs":
        return type(value) is int and value > 0
    return type(value) is type(default)


def _check(order: Order) -> None:
    if not order.paths and not order.kept:
        raise InputError("there is nothing to learn from: name labelled cases, or ask for the kept history")
    if not order.out and not order.register:
        raise InputError("the model goes nowhere: name a file to write or a name to register it as")


def _records(order: Order, opened: ExitStack) -> Records | None:
    """Return the records where they are needed: files alone are learned from without."""
    if not (order.kept or order.register or order.records):
        return None
    from hypocenter.stores.opening import open_records

    return opened.enter_context(closing(open_records(order.records)))


def _of_paths(order: Order, progress: Tell) -> Iterable[tuple[Example, Label]]:
    return examples([Path(path) for path in order.paths], jobs=order.jobs, progress=progress)


def _of_records(
    order: Order, records: Records | None, also: Collection[str], progress: Tell, note: Tell
) -> Iterator[tuple[Example, Label]]:
    def tell(place: str, error: InputError) -> None:
        note(f"{place}: {error}")

    if records is not None and order.kept:
        yield from examples_of_history(records.history.incidents(), also=also, progress=progress, on_error=tell)


def _opponent(order: Order, records: Records | None) -> Opponent | None:
    """Return what serves under the name now, which the new model has to beat."""
    current = serving(records.models, order.register) if records and order.register else None
    if records is None or current is None:
        return None
    texts = records.models.model_parts(order.register, current.version)
    return Opponent(served_as(order.register, current), texts)
