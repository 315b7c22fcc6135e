"""What is typed of a Prometheus server, as options of its reader."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hypocenter.readers.prometheus_options import PrometheusOptions


def server_options(given: Mapping[str, Any]) -> PrometheusOptions:
    """Return how to reach the server, by the options of `arguments.about_the_server`; InputError for a wrong file."""
    from hypocenter.readers.prometheus_options import options_from_settings

    return replace(
        options_from_settings(),
        username=given["username"],
        password=_secret(given["password_file"]),
        bearer_token=_secret(given["bearer_token_file"]),
        ca_file=given["ca_file"],
        cert_file=given["client_cert"],
        key_file=given["client_key"],
        insecure_skip_verify=given["insecure"],
    )


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from error
