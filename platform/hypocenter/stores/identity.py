"""Names of bounded length for what may be of any."""

from __future__ import annotations

from hashlib import sha256


def identity_of(key: str) -> str:
    """Return a name for a text, also for one that no database can hold.

    >>> identity_of("a")[:8], len(identity_of(chr(0xD800) * 9999))
    ('ca978112', 64)
    """
    return sha256(key.encode(errors="surrogatepass")).hexdigest()


def number_of(key: str) -> int:
    """Return a number of 64 bits for a text, which an index holds in less room.

    >>> number_of("a")
    -3848465438864589366
    """
    return int.from_bytes(sha256(key.encode(errors="surrogatepass")).digest()[:8], signed=True)
