"""The socket on which a server listens, and who can reach it."""

from __future__ import annotations

import ipaddress
import re
import socket

from hypocenter.errors import InputError

_HOST = re.compile(r"(?P<host>\[[^]]+\]|[^:\[\]]+)(:\d*)?")
_PLACE = re.compile(r"(?P<host>\[[^]]+\]|[^:\[\]]+):(?P<port>\d{1,5})")


def place_of(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raises InputError for anything else.

    >>> place_of("127.0.0.1:4477"), place_of("[::1]:0")
    (('127.0.0.1', 4477), ('::1', 0))
    """
    found = _PLACE.fullmatch(text.strip())
    if found is None or int(found["port"]) > 65535:
        raise InputError(f"--listen {text}: write HOST:PORT, such as 127.0.0.1:4477 or [::1]:4477")
    return found["host"].strip("[]"), int(found["port"])


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that is bound; port 0 is any free one. Raises InputError when the place is not to be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"--listen {host}:{port}: there is no such address here ({error.strerror})") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise InputError(f"--listen {host}:{port}: cannot be had ({error.strerror}); name another") from error
    return bound


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine reaches the socket."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def names_this_machine(host: str, named: str) -> bool:
    """Whether a `Host` header names loopback, or the host `named` by whoever listens.

    >>> [names_this_machine(host, "box.lan") for host in ("localhost:80", "[::1]:80", "Box.lan", "evil.example:80")]
    [True, True, True, False]
    """
    found = _HOST.fullmatch(host.strip().lower())
    name = found["host"].strip("[]").removesuffix(".") if found else ""
    return name in ("localhost", named.lower()) or _is_loopback_address(name)


def _is_loopback_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def url_of(bound: socket.socket) -> str:
    """Return the address that a client writes."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
