"""How it is found out who comes to a server, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.access import Identity, Scope, served_tenants
from hypocenter.api.auth import Entrance
from hypocenter.api.oidc import oidc_of_settings
from hypocenter.api.proxy_headers import proxy_of_settings
from hypocenter.api.tokens import TokenFile, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypocenter.api.auth import Prover


def entrance_of_settings(data_dir: Path, is_ours: Callable[[str], bool]) -> Entrance:
    """Return the entrance to the server that owns a data directory; raises InputError for settings that cannot be.

    Where nobody has to prove who they are, all are of the tenant of the setting and may do everything.
    """
    tenant = served_tenants()[0]
    anyone = Identity("anyone", frozenset(Scope), tenant, "open")
    named: tuple[Prover | None, ...] = (proxy_of_settings(tenant), oidc_of_settings(tenant))
    provers = [each for each in named if each is not None]
    return Entrance((*provers, Verifier(TokenFile(data_dir), tenant)), anyone, is_ours)
