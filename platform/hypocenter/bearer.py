"""A token as HTTP shows it."""

from __future__ import annotations

from hypocenter.errors import InputError


def bearer(token: str | None) -> dict[str, str]:
    """Return the header that shows a token, none without one; raises InputError for what no header can hold.

    >>> bearer("hyp_abc"), bearer(None)
    ({'Authorization': 'Bearer hyp_abc'}, {})
    """
    if token is None:
        return {}
    if not token or not all("!" <= character <= "~" for character in token):
        raise InputError("the bearer token must be printable ASCII without spaces or line breaks")
    return {"Authorization": f"Bearer {token}"}
