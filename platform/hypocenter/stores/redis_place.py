"""Where Redis is, with the password that a file holds."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from hypocenter import settings
from hypocenter.errors import InputError


def redis_url(where: str | None = None) -> str:
    """Return the address of the Redis server that `where` or the setting `redis_url` names, fit to connect to.

    The setting `redis_password_file` adds the password, so that it need not be in the environment. Raises InputError
    when that file cannot be read, or the address holds a password as well.
    """
    url = where or str(settings.read("redis_url"))
    file = settings.read("redis_password_file")
    return _with_password(url, _password(str(file))) if file else url


def _with_password(url: str, password: str) -> str:
    """Return an address with a password.

    >>> _with_password("redis://redis:6379/0", "a/b")
    'redis://:a%2Fb@redis:6379/0'
    """
    parts = urlsplit(url)
    if parts.password is not None:
        raise InputError("HYPOCENTER_REDIS_URL holds a password, and so does HYPOCENTER_REDIS_PASSWORD_FILE; leave one")
    user, host = parts.username or "", parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def _password(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"HYPOCENTER_REDIS_PASSWORD_FILE: {path} cannot be read: {error}") from error
