"""A signed webhook: one POST per message, sent again while the receiver has trouble.

Source: Standard Webhooks 1.0 (headers `webhook-id`, `webhook-timestamp`, `webhook-signature`; HMAC-SHA256 over
`id.timestamp.body`), for which receivers find libraries in most languages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.access import served_tenants
from hypocenter.errors import InputError, SourceError
from hypocenter.redaction import one_line
from hypocenter.remote_write_sending import Patience, deliver
from hypocenter.tenant_settings import of_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import httpx

    from hypocenter.notify.messages import Message

PREFIX = "whsec_"
TIMEOUT_S = 10.0
LEAST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages go, and the secret that signs them."""

    url: str
    secret: bytes = field(repr=False)


def webhook_of_settings(environ: Mapping[str, str] | None = None) -> Webhook | None:
    """Return the webhook that the settings name, None where they name none.

    Raises InputError for an address that cannot be one, and where the secret is missing or too short.
    """
    url, path = settings.read("webhook_url", environ), settings.read("webhook_secret_file", environ)
    if not url:
        return None
    if not path:
        raise InputError("HYPOCENTER_WEBHOOK_SECRET_FILE: name the file with the secret that signs what is sent")
    checked_address(str(url))
    return Webhook(str(url), _secret(Path(str(path))))


def check_webhooks() -> None:
    """Raise InputError where a tenant's webhook cannot be, or the tenants themselves: all are told at the start."""
    for tenant in (None, *served_tenants()[1:]):
        of_tenant(tenant, webhook_of_settings)


def checked_address(url: str) -> httpx.URL:
    """Return an address that may be posted to; raises InputError for another.

    It is http or https, names a host, and holds no user or password: whoever sees the address may see those.
    """
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"HYPOCENTER_WEBHOOK_URL cannot be read ({error}); write https://HOST/PATH") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InputError("HYPOCENTER_WEBHOOK_URL is no http or https address; write https://HOST/PATH")
    if parsed.userinfo or parsed.fragment:
        raise InputError("HYPOCENTER_WEBHOOK_URL must hold no user, password or #; what is sent is signed instead")
    return parsed


def signature(secret: bytes, key: str, at: datetime, body: bytes) -> str:
    """Return what proves who sent a message, and when.

    >>> from datetime import UTC, datetime
    >>> signature(b"0123456789abcdef", "k", datetime(2026, 3, 1, tzinfo=UTC), b"{}")[:12]
    'v1,5vX1ArbU5'
    """
    signed = f"{key}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def post(
    webhook: Webhook,
    message: Message,
    now: datetime,
    *,
    chance: Callable[[], float] = lambda: 0.5,
    patience: Patience | None = None,
) -> None:
    """Bring a message to its receiver; raises SourceError where it does not take it in a few tries.

    Between tries the wait doubles, moved by `chance` (0 to 1) so that many senders do not come at once. No redirect is
    followed and no proxy is taken from the environment. The receiver may get a message twice, with the same id.
    """
    import httpx

    patience = patience or Patience(attempts=4, longest_wait=10.0, seconds=60.0)
    waiting = Patience(
        patience.attempts,
        patience.longest_wait,
        patience.seconds,
        patience.now,
        lambda seconds: patience.wait(seconds * (0.5 + chance())),
    )
    headers = {
        "content-type": "application/json",
        "user-agent": "hypocenter",
        "webhook-id": message.key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature(webhook.secret, message.key, now, message.body),
    }
    with httpx.Client(headers=headers, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
        answer = deliver(client, checked_address(webhook.url), message.body, waiting)
    if not answer.is_taken:
        raise SourceError(f"the webhook did not take {message.key}: {one_line(answer.problem, ())}")


def _secret(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="utf-8").strip()
        secret = (
            base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode()
        )
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise InputError(f"HYPOCENTER_WEBHOOK_SECRET_FILE: {path} cannot be read as a secret: {error}") from error
    if len(secret) < LEAST_SECRET:
        raise InputError(
            f"HYPOCENTER_WEBHOOK_SECRET_FILE: {path} holds less than {LEAST_SECRET} bytes; make a longer one"
        )
    return secret
