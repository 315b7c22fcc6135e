"""Models in the records: registered as the next version of a name, and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.model_card import card_to_json
from hypocenter.stores.records import NewModel
from hypocenter_workers.learn.model_file import model_of, texts_of

if TYPE_CHECKING:
    from hypocenter.stores.records import ModelStore
    from hypocenter_workers.learn.model_file import Model

KIND = "incidents"


def register(store: ModelStore, name: str, model: Model) -> int:
    """Keep a model as the next version of `name`, a candidate; return that version."""
    card = card_to_json(model.card)
    new = NewModel(name, KIND, model.card.created_at, model.card.data_hash, card, texts_of(model))
    return store.add_model(new)


def load(store: ModelStore, name: str, version: int) -> Model:
    """Return a registered model. Raises InputError when it is not there or damaged."""
    return model_of(store.model_parts(name, version))
