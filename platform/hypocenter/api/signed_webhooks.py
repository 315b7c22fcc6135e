"""Webhooks of tools that sign what they send: whether a request is of who it says it is of.

Sources: GitHub, "Validating webhook deliveries" (`X-Hub-Signature-256`); LaunchDarkly, "Webhooks", signing
(`X-LD-Signature`). Both are the HMAC of the body with SHA-256, in hexadecimal.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hypocenter import settings
from hypocenter.api.refusals import UnsignedError
from hypocenter.errors import InputError
from hypocenter.readers.prometheus_options import secret_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypocenter.events import Told

LEAST_SECRET = 16


class Signer(NamedTuple):
    """A tool that signs: the `source` of what it tells, its header, and what stands there before the digest."""

    source: str
    header: str
    prefix: str = ""


GITHUB = Signer("github", "x-hub-signature-256", "sha256=")
LAUNCHDARKLY = Signer("launchdarkly", "x-ld-signature")


@dataclass(frozen=True)
class Signatures:
    """The secrets by which signers are known; one without a secret is believed without a signature."""

    secrets: Mapping[Signer, bytes] = field(default_factory=dict, repr=False)

    def told(self, headers: Mapping[str, str], body: bytes, decode: Callable[[], Told]) -> Told:
        """Return what a body tells; it is decoded when no signature is wrong.

        Raises UnsignedError for a wrong signature, and where a signer's change bears none.
        """
        proven = {each.source for each in self.secrets if self._is_signed(each, headers, body)}
        told = decode()
        for each in self.secrets:
            if each.source not in proven and any(change.origin.source == each.source for change in told.changes):
                raise UnsignedError(
                    f"the header {each.header} is missing; give the webhook of {each.source} its secret"
                )
        return told

    def _is_signed(self, signer: Signer, headers: Mapping[str, str], body: bytes) -> bool:
        given = headers.get(signer.header)
        if given is None:
            return False
        if not hmac.compare_digest(given.encode(), signature(signer, self.secrets[signer], body).encode()):
            raise UnsignedError(f"the header {signer.header} does not fit the body; check the secret of the webhook")
        return True


def signature(signer: Signer, secret: bytes, body: bytes) -> str:
    """Return what a signer's header holds for a body.

    >>> signature(GITHUB, b"It's a Secret to Everybody", b"Hello, World!")
    'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
    """
    return signer.prefix + hmac.digest(secret, body, "sha256").hex()


def signatures_of_settings(environ: Mapping[str, str] | None = None) -> Signatures:
    """Return the secrets that the settings name files of; raises InputError for one that cannot be used."""
    files = {each: settings.read(f"{each.source}_secret_file", environ) for each in (GITHUB, LAUNCHDARKLY)}
    return Signatures({each: _secret(each, Path(str(path))) for each, path in files.items() if path})


def _secret(signer: Signer, path: Path) -> bytes:
    secret = secret_in(path).encode()
    if len(secret) < LEAST_SECRET:
        name = f"HYPOCENTER_{signer.source.upper()}_SECRET_FILE"
        raise InputError(f"{name}: {path} holds less than {LEAST_SECRET} bytes; make a longer secret")
    return secret
