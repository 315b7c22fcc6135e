"""The routes of what is sent as a file: tables of metrics, and exports of incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import Route

    from hypocenter.api.intake import Intake


def upload_routes(_: Intake) -> list[Route]:
    """Return the routes that take files."""
    return []
