"""What is typed of a Prometheus server, as options of its reader."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.readers.prometheus_options import PrometheusOptions


def server_options(given: Mapping[str, Any]) -> PrometheusOptions:
    """Return how to reach the server, by the options of `arguments.about_the_server`; InputError for a wrong file."""
    from hypocenter.readers.prometheus_options import options_from_settings, secret_in

    password, token = given["password_file"], given["bearer_token_file"]
    return replace(
        options_from_settings(),
        username=given["username"],
        password=secret_in(password) if password else None,
        bearer_token=secret_in(token) if token else None,
        ca_file=given["ca_file"],
        cert_file=given["client_cert"],
        key_file=given["client_key"],
        insecure_skip_verify=given["insecure"],
    )
