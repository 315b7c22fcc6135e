"""Types that the shapes of all resources are made of."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

# Times as far from these as any that is reckoned from them are times still.
FIRST_YEAR, LAST_YEAR = 1678, 2261
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2026-03-01T12:00:00.000000Z"]}


class Shape(BaseModel):
    """A JSON object that is answered; made of the attributes of ours that have the same names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def parsed_time(value: Any) -> datetime:
    """Return the time, in UTC, that a text of RFC 3339 says; raises ValueError for anything else.

    >>> parsed_time("2026-03-01T13:00:00+01:00")
    datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("write a time with its zone, as 2026-03-01T12:00:00Z")
    if not FIRST_YEAR <= int(value[:4]) <= LAST_YEAR:
        raise ValueError(f"write a time of the years {FIRST_YEAR} to {LAST_YEAR}")
    return datetime.fromisoformat(value.upper()).astimezone(UTC)


def told_time(time: datetime) -> str:
    """Return a time as every answer says it.

    >>> told_time(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000Z'
    """
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


Time = Annotated[datetime, BeforeValidator(parsed_time), PlainSerializer(told_time), WithJsonSchema(_SCHEMA)]
"""A time: RFC 3339, in answers in UTC and to the microsecond."""


@dataclass(frozen=True)
class Matching(GroupedMetadata):
    """That a text matches all of a pattern; who sends another one is told in words what to write."""

    pattern: str
    words: str

    def __iter__(self) -> Iterator[object]:
        yield AfterValidator(self._checked)
        yield WithJsonSchema({"type": "string", "pattern": f"^{self.pattern}$"})

    def _checked(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"write {self.words}")
        return text


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A number; null where it is not finite."""
