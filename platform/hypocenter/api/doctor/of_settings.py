"""Whether the environment says what can be used: settings that parse, files with secrets that can be read."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.access import served_tenants
from hypocenter.api.doctor.findings import Finding
from hypocenter.api.ending import stop_s_of_settings
from hypocenter.api.listening import place_of
from hypocenter.api.tokens import TokenFile
from hypocenter.errors import InputError
from hypocenter.notify.webhook import check_webhooks
from hypocenter.rhythm import rhythm_of_settings
from hypocenter.stores.retention import limits_of_settings
from hypocenter.tenant_settings import of_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypocenter.api.doctor.examined import Examined

_NO_SECRET = ("_ca_file", "tenants_file")
_READ: tuple[Callable[[], object], ...] = (
    rhythm_of_settings,
    limits_of_settings,
    stop_s_of_settings,
    check_webhooks,
    lambda: place_of(str(settings.read("listen"))),
)


def settings_parse(_: Examined) -> Iterator[Finding]:
    """Yield the settings that are none, or cannot be what they say."""
    for variable in settings.unknown():
        yield Finding("setting-unknown", variable, "there is no setting of this name")
    told = set()
    for read in (*(lambda name=each.name: settings.read(name) for each in settings.SETTINGS), *_READ):
        message = _wrong(read)
        if message and message not in told:
            told.add(message)
            yield Finding("setting-invalid", message.partition("=")[0].partition(":")[0], message)


def _wrong(read: Callable[[], object]) -> str:
    try:
        read()
    except InputError as error:
        return str(error)
    return ""


def secrets_are_readable(_: Examined) -> Iterator[Finding]:
    """Yield the files with secrets that cannot be read, or that others can read."""
    secrets = [each for each in settings.SETTINGS if each.name.endswith("_file") and not each.name.endswith(_NO_SECRET)]
    for tenant in (None, *served_tenants()[1:]):
        for each in secrets:
            path = of_tenant(tenant, partial(settings.read, each.name))
            yield from _secret(each.variable, Path(str(path))) if path else ()


def _secret(variable: str, path: Path) -> Iterator[Finding]:
    try:
        text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        yield Finding("secret-unreadable", variable, f"{path}: {getattr(error, 'strerror', None) or 'is no text'}")
        return
    if not text.strip():
        yield Finding("secret-unreadable", variable, f"{path}: is empty")
    if mode & stat.S_IROTH:
        yield Finding("secret-open", variable, f"{path}: may be read by every account of this machine")


def data_directory_is_ours(examined: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the data directory itself, and with the tokens in it."""
    folder = examined.places.data_dir
    if not folder.is_dir():
        yield Finding("data-directory-missing", str(folder), "there is no such folder")
        return
    if folder.stat().st_mode & (stat.S_IROTH | stat.S_IXOTH):
        yield Finding("data-directory-open", str(folder), "other accounts of this machine can look into it")
    try:
        TokenFile(folder).tokens()
    except InputError as error:
        yield Finding("tokens-unreadable", str(folder), str(error))
