"""Who asks, and what they may do: scopes, what contains what, and identities; how they are proven is the API's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Scope(StrEnum):
    """What somebody may do: send telemetry, read what is kept, say what of it is right, or all of it and settings."""

    INGEST = "ingest"
    READ = "read"
    FEEDBACK = "feedback"
    ADMIN = "admin"


_TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
# Others have admins of their own.
_OURS = "hypocenter:"
_CONTAINED = {Scope.FEEDBACK: frozenset({Scope.FEEDBACK, Scope.READ}), Scope.ADMIN: frozenset(Scope)}


def allowed_by(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return all that scopes allow: admin contains every other, feedback contains read.

    >>> sorted(allowed_by([Scope.FEEDBACK]))
    [<Scope.FEEDBACK: 'feedback'>, <Scope.READ: 'read'>]
    """
    return frozenset().union(*(_CONTAINED.get(each, frozenset({each})) for each in scopes))


def scopes_of(words: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes that words name; raises InputError for a word that names none, and for no word at all."""
    named = list(words)
    try:
        found = frozenset(map(Scope, named))
    except ValueError as error:
        raise InputError(f"scope: {error}; choose from {', '.join(Scope)}") from error
    if not found:
        raise InputError(f"scope: name at least one of {', '.join(Scope)}")
    return found


def scopes_among(words: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes that are among what others call groups or scopes: `hypocenter:read` and such, no other word.

    >>> sorted(scopes_among(["admin", "hypocenter:read", "hypocenter:root"]))
    [<Scope.READ: 'read'>]
    """
    given = set(words)
    return frozenset(each for each in Scope if f"{_OURS}{each}" in given)


def tenant_name(text: str) -> str:
    """Return the name of a tenant; it names folders, keys and labels, so raises InputError unless it is plain.

    >>> tenant_name("acme")
    'acme'
    """
    if not _TENANT.fullmatch(text):
        raise InputError(f"tenant {text!r:.80}: write up to 64 letters, digits, dots, dashes and underscores")
    return text


def served_tenants(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the tenants of the settings, each once, that of the setting `tenant` first.

    Raises InputError for a name that cannot be.

    >>> served_tenants({"HYPOCENTER_TENANTS": "acme, globex"})
    ('default', 'acme', 'globex')
    """
    first = str(settings.read("tenant", environ))
    others = str(settings.read("tenants", environ) or "").split(",")
    named = [tenant_name(each.strip()) for each in others if each.strip()]
    return tuple(dict.fromkeys([first, *named]))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a name, what they may do, whose data they see, and how that was proven.

    `how` is `token`, `oidc`, `proxy`, or `open` where the server asks nobody.
    """

    name: str
    scopes: frozenset[Scope]
    tenant: str
    how: str

    def may(self, needed: Scope) -> bool:
        """Whether a scope is allowed.

        >>> Identity("grafana", frozenset({Scope.READ}), "default", "token").may(Scope.FEEDBACK)
        False
        """
        return needed in allowed_by(self.scopes)
