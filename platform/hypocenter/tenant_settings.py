"""Settings that each tenant has of its own: where it is told of its incidents, and who sends and is read for it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hypocenter import settings
from hypocenter.access import served_tenants
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
# Of these the environment says those of the setting's tenant alone: another's incidents are not told of there.
OWN = ("webhook_", "pull_", "github_", "launchdarkly_")
FILE = "HYPOCENTER_TENANTS_FILE"


def of_tenant(
    tenant: str | None, read: Callable[[Mapping[str, str]], T], environ: Mapping[str, str] | None = None
) -> T:
    """Return what `read` makes of the environment as it is for a tenant, None for that of the setting.

    For any other its section of the file of tenants stands for all OWN settings. Raises InputError for a file that
    cannot be, and what `read` raises.

    >>> of_tenant("acme", dict, {"HYPOCENTER_WEBHOOK_URL": "https://ours.example", "HYPOCENTER_TENANTS": "acme"})
    {'HYPOCENTER_TENANTS': 'acme'}
    """
    given = settings.environment(environ)
    if tenant is None:
        return read(given)
    own = tuple(f"{settings.PREFIX}{each.upper()}" for each in OWN)
    shared = {variable: text for variable, text in given.items() if not variable.startswith(own)}
    try:
        return read(shared | _sections(given).get(tenant, {}))
    except InputError as error:
        raise InputError(f"tenant {tenant}: {error}") from error


def _sections(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the variables that each tenant's section of the file stands for."""
    path = settings.read("tenants_file", environ)
    others = served_tenants(environ)[1:]
    return {name: _section(name, section, others) for name, section in _parsed(Path(str(path))).items()} if path else {}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{FILE}: {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _section(name: str, section: Any, others: Sequence[str]) -> dict[str, str]:
    if not isinstance(section, dict):
        raise InputError(f"{FILE}: {name!r:.60} stands before any section; write it below [TENANT]")
    if name not in others:
        raise InputError(f"{FILE}: [{name:.60}] is no tenant that HYPOCENTER_TENANTS names; name it there")
    return {_variable(name, key): _text(f"{FILE}: [{name}] {key}", value) for key, value in section.items()}


def _variable(name: str, key: str) -> str:
    allowed = {each.name: each.variable for each in settings.SETTINGS if each.name.startswith(OWN)}
    if key not in allowed:
        raise InputError(
            f"{FILE}: [{name}] {key:.60}: tenants have none of their own; choose from {', '.join(allowed)}"
        )
    return allowed[key]


def _text(where: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{where}: write a text or a number")
    return str(value)
