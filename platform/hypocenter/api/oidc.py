"""Bearer tokens of an OpenID Connect issuer: JSON Web Tokens of which signature, times and audience are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypocenter import settings
from hypocenter.access import Identity, scopes_among
from hypocenter.api.auth import one_header
from hypocenter.api.oidc_keys import ALGORITHMS, IssuerKeys
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope as HttpScope

LEEWAY_S = 60
LONGEST = 16 << 10
LONGEST_NAME = 200
_REQUIRED = ["exp", "iat", "iss", "aud"]


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token that say who asks, what they may do and whose data they see.

    Where no claim says that (""), it is the data of the tenant `first`.
    """

    name: str
    scopes: str
    tenant: str
    first: str


class Oidc:
    """Proves who asks by tokens that are signed with the keys of an issuer and meant for `audience`."""

    def __init__(self, keys: IssuerKeys, audience: str, claims: Claims) -> None:
        self._keys, self._audience, self._claims = keys, audience, claims

    def asks(self) -> bool:
        """Whether whoever comes must prove who they are: they must."""
        return True

    def identity(self, scope: HttpScope) -> Identity | None:
        """Return who shows a token in the head of a request, None where it shows none that holds.

        Raises SourceError while the issuer's keys cannot be fetched.
        """
        scheme, _, text = one_header(scope, b"authorization").strip().partition(b" ")
        shown = text.strip()
        # Ours hold no dot, so that the issuer is not asked for them.
        if scheme.lower() != b"bearer" or shown.count(b".") != 2 or len(shown) > LONGEST:
            return None
        found = self._verified(shown)
        return None if found is None else identity_of(found, self._claims)

    def _verified(self, text: bytes) -> Mapping[str, Any] | None:
        import jwt

        try:
            head = jwt.get_unverified_header(text)
            # Only what the issuer signs asymmetrically: for the others its public key would be the secret.
            if head.get("alg") not in ALGORITHMS or "crit" in head:
                return None
            key = self._keys.key(str(head.get("kid", "")))
            if key is None or key.algorithm_name != head["alg"]:
                return None
            found: Mapping[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._keys.issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        return found


def identity_of(found: Mapping[str, Any], claims: Claims) -> Identity | None:
    """Return who the claims of a token that holds speak of, None where they name nobody.

    >>> claims = Claims("sub", "scope", "org", "default")
    >>> identity_of({"sub": "ann", "scope": "openid hypocenter:read", "org": "acme"}, claims)
    Identity(name='ann', scopes=frozenset({<Scope.READ: 'read'>}), tenant='acme', how='oidc')
    """
    name, words = found.get(claims.name), found.get(claims.scopes, "")
    tenant = found.get(claims.tenant) if claims.tenant else claims.first
    if not is_name(name) or not isinstance(tenant, str):
        return None
    listed = words.split() if isinstance(words, str) else words if isinstance(words, list) else []
    return Identity(str(name), scopes_among(each for each in listed if isinstance(each, str)), tenant, "oidc")


def is_name(name: object) -> bool:
    """Whether somebody can be called that in a log and a list."""
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable()


def oidc_of_settings(first: str, environ: Mapping[str, str] | None = None) -> Oidc | None:
    """Return the issuer that the settings name, None where they name none; `first` is the tenant of the settings.

    Raises InputError for an issuer that cannot be one, or without an audience: tokens that are meant for others would
    open this server.
    """
    issuer, audience = (settings.read(name, environ) for name in ("oidc_issuer", "oidc_audience"))
    if not issuer:
        return None
    if not audience:
        raise InputError("HYPOCENTER_OIDC_AUDIENCE: say which audience the issuer's tokens for this server have")
    name, scopes, tenant = (
        str(settings.read(f"oidc_{claim}_claim", environ) or "") for claim in ("name", "scopes", "tenant")
    )
    return Oidc(IssuerKeys(str(issuer)), str(audience), Claims(name, scopes, tenant, first))
