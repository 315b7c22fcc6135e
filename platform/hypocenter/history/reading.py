"""How an export is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from hypocenter.history.attachments import Attachments
from hypocenter.history.mapping import NO_MAPPING
from hypocenter.readers.limits import Limits, limits_from_settings

if TYPE_CHECKING:
    from datetime import tzinfo

    from hypocenter.history.mapping import Mapping


@dataclass(frozen=True, slots=True)
class Reading:
    """What an export is, what its words mean, where and how its times were written, and what telemetry goes with it.

    `zone` is that of times which state none; `encoding` None is found out. A server may have no incident to tell of,
    and then the file that holds its answers `may_be_empty`.
    """

    source: str
    mapping: Mapping = NO_MAPPING
    zone: tzinfo = UTC
    time_format: str | None = None
    encoding: str | None = None
    attachments: Attachments = field(default_factory=Attachments)
    may_be_empty: bool = False
    limits: Limits = field(default_factory=limits_from_settings)
