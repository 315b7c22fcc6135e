"""How far each selector of a server has been read, kept in a file of the data directory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypocenter.api.durable import write_durably
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "pull.json"


class Marks:
    """The time in ms up to which each selector of the server at `place` was read; another server begins anew."""

    def __init__(self, data_dir: Path, place: str) -> None:
        self._path, self._place = data_dir / FILE, place
        self._until = self._kept()

    def until(self, selector: str) -> int | None:
        """Return up to when all is read and durable, None where nothing is."""
        return self._until.get(selector)

    def move(self, selector: str, until_ms: int) -> None:
        """Keep that all is read and durable up to a time; durable when this returns."""
        self._until[selector] = until_ms
        write_durably(self._path, json.dumps({"place": self._place, "until_ms": self._until}, indent=1))

    def _kept(self) -> dict[str, int]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            until = {str(selector): int(at_ms) for selector, at_ms in kept["until_ms"].items()}
            return until if kept["place"] == self._place else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(f"{self._path}: cannot be read ({error}); mend or remove it") from error
