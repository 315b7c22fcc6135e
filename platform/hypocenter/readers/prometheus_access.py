"""The way to a Prometheus server: its checked address, who we are there, and a connection that keeps both."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx

from hypocenter.bearer import bearer
from hypocenter.errors import InputError
from hypocenter.redaction import credentials_to_hide, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from hypocenter.readers.prometheus_options import PrometheusOptions

IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class Access:
    """A server's address without credentials, the connection that holds them, and what must not show of them."""

    place: str
    http: httpx.Client
    secrets: tuple[str, ...]

    def tidy(self, text: str) -> str:
        """Return what the server said as one short line without secrets."""
        return one_line(text, self.secrets)


def access(url: str, options: PrometheusOptions, headers: Mapping[str, str]) -> Access:
    """Return the way to the server at `url`: no redirect is followed, no proxy taken from the environment.

    Raises InputError for an address that cannot be asked, or credentials and TLS files that cannot be used.
    """
    parts = checked_url(url)
    user, password = _basic(parts, options)
    http = httpx.Client(
        auth=(user, password or "") if user else None,
        headers={**headers, **bearer(options.bearer_token)},
        verify=_tls(options) if parts.scheme == "https" else False,
        timeout=options.timeout_s,
        limits=httpx.Limits(max_connections=IN_FLIGHT),
        follow_redirects=False,
        trust_env=False,
    )
    hidden = credentials_to_hide(user, password) + credentials_to_hide(None, options.bearer_token)
    return Access(_place(parts), http, hidden)


def place_of(url: str) -> str:
    """Return the address of a server without credentials; raises InputError where it cannot be one.

    >>> place_of("https://ann:secret@metrics:9090/prometheus/")
    'https://metrics:9090/prometheus'
    """
    return _place(checked_url(url))


def _place(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def checked_url(url: str) -> SplitResult:
    """Return the parts of an http or https URL that can be asked; raises InputError for another."""
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise InputError("the Prometheus URL cannot be read; write http://host:port") from error
    if parts.scheme not in ("http", "https") or not valid:
        raise InputError("the Prometheus URL must begin with http:// or https:// and name a host")
    if parts.query or parts.fragment:
        raise InputError("the Prometheus URL must not hold ? or #; write http://host:port and maybe a path")
    return parts


def _basic(parts: SplitResult, options: PrometheusOptions) -> tuple[str | None, str | None]:
    """Return user and password, from the options or else from the URL."""
    user = options.username or (unquote(parts.username) if parts.username else None)
    password = options.password or (unquote(parts.password) if parts.password else None)
    if user and options.bearer_token:
        raise InputError("give the Prometheus server either a user name or a bearer token, not both")
    return user, password


def _tls(options: PrometheusOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
        if options.cert_file:
            context.load_cert_chain(options.cert_file, options.key_file)
    except OSError as error:
        named = ", ".join(str(each) for each in (options.ca_file, options.cert_file, options.key_file) if each)
        raise InputError(f"TLS files {named or 'of the system'}: cannot be used ({error.strerror or error})") from error
    if options.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
