"""Who asks by what a reverse proxy says of them, which is believed of proxies at known addresses alone."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.access import Identity, scopes_among
from hypocenter.api.auth import one_header
from hypocenter.api.oidc import is_name
from hypocenter.api.rate_limits import address_of
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope as HttpScope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """Proves who asks by headers of proxies in `trusted` networks; whoever else sends them is as if they had not.

    The headers hold a user and, with commas or spaces between them, groups; they are named in lower case. All users are
    of one tenant.
    """

    trusted: Sequence[Network]
    user_header: bytes
    scopes_header: bytes
    tenant: str

    def asks(self) -> bool:
        """Whether whoever comes must prove who they are: they must."""
        return True

    def identity(self, scope: HttpScope) -> Identity | None:
        """Return who a trusted proxy says that asks, None where none does."""
        if not self._is_trusted(address_of(scope)):
            return None
        user = one_header(scope, self.user_header).decode("utf-8", "replace").strip()
        groups = one_header(scope, self.scopes_header).decode("utf-8", "replace").replace(",", " ").split()
        return Identity(user, scopes_among(groups), self.tenant, "proxy") if is_name(user) else None

    def _is_trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        # What listens on both families is told of the older as of the newer.
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self.trusted)


def proxy_of_settings(tenant: str, environ: Mapping[str, str] | None = None) -> ProxyHeaders | None:
    """Return the proxies that the settings trust, None where they name no header; raises InputError for what cannot be.

    >>> named = {"HYPOCENTER_PROXY_USER_HEADER": "X-Forwarded-User", "HYPOCENTER_TRUSTED_PROXIES": "10.0.0.0/8"}
    >>> proxy_of_settings("default", named).trusted
    (IPv4Network('10.0.0.0/8'),)
    """
    user, groups, trusted = (
        str(settings.read(name, environ) or "")
        for name in ("proxy_user_header", "proxy_scopes_header", "trusted_proxies")
    )
    if not user:
        return None
    networks = tuple(_network(each.strip()) for each in trusted.split(",") if each.strip())
    if not networks:
        raise InputError("HYPOCENTER_TRUSTED_PROXIES: name the addresses of the proxies whose headers are believed")
    return ProxyHeaders(networks, user.lower().encode(), groups.lower().encode(), tenant)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InputError(f"HYPOCENTER_TRUSTED_PROXIES: {text!r:.60} is no network; write 10.0.0.0/8") from error
