"""What a server says, as one short line in which no secret shows."""

from __future__ import annotations

import base64
import html
import re
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A line is short, so that what is far behind never shows; a long answer costs no long search.
_LOOKED_AT = 20_000
_SHOWN = 200


def basic_credentials(user: str, password: str) -> str:
    """Return what basic authentication sends of a user and a password (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()


def credentials_to_hide(user: str | None, secret: str | None) -> tuple[str, ...]:
    """Return all that tells `secret`, longest first: itself and, with a user, their pair in each alphabet of base64.

    >>> credentials_to_hide("ann", "x?>")
    ('YW5uOng/Pg==', 'YW5uOng_Pg==', 'YW5uOng/Pg', 'YW5uOng_Pg', 'x?>')
    >>> credentials_to_hide("ann", None)
    ()
    """
    if not secret:
        return ()
    pair = basic_credentials(user, secret) if user else ""
    pairs = [pair, pair.translate(_URL_SAFE)]
    told = [*pairs, *(each.rstrip("=") for each in pairs), secret]
    return tuple(sorted(filter(None, dict.fromkeys(told)), key=len, reverse=True))


def one_line(text: str, secrets: Iterable[str]) -> str:
    """Return the beginning of `text` on one line, without `secrets` in any usual spelling.

    A secret is found percent-encoded (once or more often), with the escapes of JSON, and with those of HTML.

    >>> one_line("bad token a/b\\nor a%2Fb", ["a/b"])
    'bad token *** or ***'
    """
    text = text[:_LOOKED_AT]
    for secret in secrets:
        text = re.sub("".join(map(_spellings, secret)), "***", text)
    return " ".join(text.split())[:_SHOWN]


_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-_.~")
_URL_SAFE = str.maketrans("+/", "-_")


def _spellings(character: str) -> str:
    """Return the pattern of a character and of its escapes; letters and digits are percent-encoded at most."""
    plain, code = re.escape(character), ord(character)
    percent = "".join(f"%(?:25)*(?i:{octet:02x})" for octet in character.encode("utf-8", "surrogatepass"))
    if character in _UNRESERVED:
        return f"(?:{plain}|{percent})"
    escapes = rf"\\\\?(?i:u{code:04x})|(?i:&#0*{code};|&#x0*{code:x};)|{re.escape(html.escape(character))}"
    form = r"|\+" if character == " " else ""
    return rf"(?:\\?{plain}|{percent}|{escapes}{form})"
