"""What a reader says of input that it does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


def refusal(read: Callable[[], object]) -> str | None:
    """What an InputError says that `read` raises, None when it raises none."""
    try:
        read()
    except InputError as error:
        return str(error)
    return None
