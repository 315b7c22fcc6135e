"""Models in tables: versions that stay as they are, the texts they consist of, and what happened to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, insert, select, update

from hypocenter.errors import InputError
from hypocenter.stores.documents import from_text, is_storable, microseconds, moment, to_text
from hypocenter.stores.records import ModelEvent, ModelVersion, Status
from hypocenter.stores.tables import MODEL_EVENTS, MODEL_PARTS, MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Row, Table

    from hypocenter.stores.database import Database
    from hypocenter.stores.records import NewModel


class SqlModels:
    """The ModelStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add_model(self, model: NewModel) -> int:
        """Keep a model as the next version of its name, a candidate; return that version."""
        if not is_storable(model.name) or not model.name:
            raise InputError(f"model {model.name!r:.60}: a name is text, and not empty")
        with self._database.writing(self._tenant) as connection:
            versions = select(func.max(MODELS.c.version)).where(self._is(MODELS, model.name))
            version = (connection.execute(versions).scalar() or 0) + 1
            connection.execute(insert(MODELS), self._row(model, version))
            connection.execute(insert(MODEL_PARTS), self._parts(model, version))
        return version

    def models(self) -> Sequence[ModelVersion]:
        """Return every version, by name, then version."""
        asked = select(MODELS).where(MODELS.c.tenant == self._tenant).order_by(MODELS.c.name, MODELS.c.version)
        with self._database.reading() as connection:
            return tuple(map(_version, connection.execute(asked).all()))

    def model_parts(self, name: str, version: int) -> Mapping[str, str]:
        """Return the texts of a version by their names; raises InputError when there is no such version."""
        own = self._is(MODEL_PARTS, name, version)
        asked = select(MODEL_PARTS.c.part, MODEL_PARTS.c.content).where(own).order_by(MODEL_PARTS.c.part)
        with self._database.reading() as connection:
            self._check(connection, name, version)
            return {row.part: row.content for row in connection.execute(asked)}

    def serve(self, event: ModelEvent, instead_of: int | None) -> None:
        """Put the event's version to serve, retire `instead_of`, and keep the event; all of it or nothing.

        Raises InputError when another than `instead_of` serves by now, or there is no such version.
        """
        serving = and_(self._is(MODELS, event.name), MODELS.c.status == Status.SERVING)
        chosen = self._is(MODELS, event.name, event.version)
        with self._database.writing(self._tenant) as connection:
            self._check(connection, event.name, event.version)
            if connection.execute(select(MODELS.c.version).where(serving)).scalar() != instead_of:
                raise InputError(f"another version of {event.name} serves by now; look at it and try again")
            connection.execute(update(MODELS).where(serving).values(status=str(Status.RETIRED)))
            connection.execute(update(MODELS).where(chosen).values(status=str(Status.SERVING)))
            row = {"tenant": self._tenant, "name": event.name, "record": to_text(event)}
            connection.execute(insert(MODEL_EVENTS), row)

    def model_events(self, name: str) -> Sequence[ModelEvent]:
        """Return what happened to versions of a name, oldest first."""
        asked = select(MODEL_EVENTS.c.record).where(self._is(MODEL_EVENTS, name)).order_by(MODEL_EVENTS.c.number)
        with self._database.reading() as connection:
            texts = connection.execute(asked).scalars().all()
        return tuple(from_text(ModelEvent, text, f"an event of model {name}") for text in texts)

    def _is(self, table: Table, name: str, version: int | None = None) -> ColumnElement[bool]:
        named = and_(table.c.tenant == self._tenant, table.c.name == name)
        return named if version is None else and_(named, table.c.version == version)

    def _check(self, connection: Connection, name: str, version: int) -> None:
        own = self._is(MODELS, name, version)
        if not connection.execute(select(func.count()).select_from(MODELS).where(own)).scalar():
            raise InputError(f"there is no model {name} version {version}; `hypocenter models list` shows which are")

    def _row(self, model: NewModel, version: int) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "name": model.name,
            "version": version,
            "kind": model.kind,
            "status": str(Status.CANDIDATE),
            "created_us": microseconds(model.created_at),
            "data_hash": model.data_hash,
            "card": json.dumps(model.card, sort_keys=True, allow_nan=False),
        }

    def _parts(self, model: NewModel, version: int) -> list[dict[str, Any]]:
        own = {"tenant": self._tenant, "name": model.name, "version": version}
        return [{**own, "part": part, "content": content} for part, content in sorted(model.parts.items())]


def _version(row: Row[Any]) -> ModelVersion:
    return ModelVersion(
        row.name,
        row.version,
        row.kind,
        Status(row.status),
        moment(row.created_us),
        row.data_hash,
        json.loads(row.card),
    )
