"""Every setting once: name, default and help; the environment is read here and nowhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "HYPOCENTER_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in code, its default and what it does; the environment name is the upper-case name."""

    name: str
    default: str | int | float | None
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()


SETTINGS = (
    Setting("data", None, "Folder with labelled data sets, for `make bench` and the tests that want real data."),
    Setting("data_dir", None, "Folder of all that `hypocenter serve` keeps."),
    Setting("listen", "127.0.0.1:4477", "Where `hypocenter serve` listens, as HOST:PORT."),
    Setting("stop_seconds", 60, "Seconds within which a server that is stopped ends; half of them is for requests."),
    Setting("log_level", "info", "Least of what `hypocenter serve` logs: debug, info, warning or error."),
    Setting("max_body_bytes", 64 << 20, "Largest body that the server takes, as sent and after decompression."),
    Setting(
        "alert_labels", None, "Labels that name the component of an alert, before all others, with commas between them."
    ),
    Setting("redis_url", "redis://127.0.0.1:6379/0", "Redis server that carries Celery's tasks and results."),
    Setting("redis_password_file", None, "File that holds the password of the Redis server."),
    Setting("tick_seconds", 60, "Length of a step of detection, in seconds."),
    Setting("settle_seconds", 30, "Seconds after the end of a step for which its samples are waited for."),
    Setting("tick_limit_seconds", 100, "Seconds after which one task of detection is ended, to be done again."),
    Setting("shards", 16, "Among how many parts the series are divided, each of which one task works on at a time."),
    Setting("shape_series", 0, "Most series of a shard whose shapes are looked at for an hour after an anomaly."),
    Setting("max_file_bytes", 2_000_000_000, "Largest telemetry file that is read, in bytes on disk."),
    Setting("max_cells", 200_000_000, "Largest table that is read into memory, in cells (rows x columns)."),
    Setting("prometheus_max_points", 20_000_000, "Most samples one investigation may ask of a Prometheus server."),
    Setting("prometheus_timeout", 30.0, "Seconds to wait for one answer of a Prometheus server."),
    Setting("metrics", None, "Prometheus-compatible server that keeps the metrics, as http://HOST:9090."),
    Setting("metrics_write_url", None, "Where that server takes remote write."),
    Setting("metrics_user", None, "User of the server that keeps the metrics."),
    Setting("metrics_password_file", None, "File that holds the password of the server that keeps the metrics."),
    Setting("metrics_token_file", None, "File that holds the bearer token of the server that keeps the metrics."),
    Setting("metrics_ca_file", None, "File that holds the certificate authority of the server that keeps the metrics."),
    Setting("pull_url", None, "Prometheus-compatible server whose samples `hypocenter serve` reads by itself."),
    Setting("pull_match", None, "Series that are read from it, as selectors with spaces between them."),
    Setting("pull_interval", 60.0, "Seconds from one reading of it to the next."),
    Setting("pull_user", None, "User of the server that is read."),
    Setting("pull_password_file", None, "File that holds the password of the server that is read."),
    Setting("pull_token_file", None, "File that holds the bearer token of the server that is read."),
    Setting("pull_ca_file", None, "File that holds the certificate authority of the server that is read."),
    Setting("graph", None, "Where the dependency graph is kept: a file, or a Neo4j server as bolt://HOST:7687."),
    Setting("graph_expiry_days", 7.0, "Days for which a dependency is held to exist after it was last observed."),
    Setting("neo4j_user", "neo4j", "User of the Neo4j server."),
    Setting("neo4j_password_file", None, "File that holds the password of the Neo4j server."),
    Setting("neo4j_database", "neo4j", "Database of the Neo4j server."),
    Setting("neo4j_timeout", 15.0, "Seconds in which a Neo4j server must answer, retries and all."),
    Setting(
        "tenant", "default", "Whose graph and records they are: those of different tenants in one place never meet."
    ),
    Setting("tenants", None, "Tenants that are served beside that one, with commas between them."),
    Setting("tenants_file", None, "TOML file with a section for each of those, of the settings that are its own."),
    Setting("audit_retention_days", 365.0, "Days for which it is kept who changed what."),
    Setting("oidc_issuer", None, "OpenID Connect issuer whose tokens are accepted, as https://HOST/PATH."),
    Setting("oidc_audience", None, "Audience that tokens of that issuer must have."),
    Setting("oidc_name_claim", "sub", "Claim of those tokens that names who asks."),
    Setting("oidc_scopes_claim", "scope", "Claim that holds scopes, as hypocenter:read."),
    Setting(
        "oidc_tenant_claim", None, "Claim that names the tenant; that of the setting `tenant` where it is not set."
    ),
    Setting("proxy_user_header", None, "Header in which a reverse proxy says who asks."),
    Setting("proxy_scopes_header", None, "Header in which it says their scopes, as hypocenter:read."),
    Setting("trusted_proxies", None, "Addresses or networks of those proxies, with commas between them."),
    Setting("rate_limit", 50.0, "Requests a second that one token may make in the long run; 0 is no limit."),
    Setting("rate_burst", 500, "Requests that one token may make at once before that."),
    Setting("cors_origins", None, "Origins whose web pages may ask the API, with commas between them."),
    Setting("records_days", 90.0, "Days for which alerts, changes, anomalies and resolved incidents are kept."),
    Setting(
        "records", None, "Where history, feedback and models are kept: a SQLite file, or postgresql://USER@HOST/NAME."
    ),
    Setting("records_password_file", None, "File that holds the password of the PostgreSQL server."),
    Setting("history_token_file", None, "File that holds the token with which an incident tool's server is asked."),
    Setting("history_timeout", 30.0, "Seconds to wait for one page of an incident tool's server."),
    Setting(
        "model", None, "What is asked of past incidents: a model's file, a registered model's name, or none at all."
    ),
    Setting("precision", 0.8, "Wanted share of named causes that are right; where it cannot be kept, none is named."),
    Setting("webhook_url", None, "Where it is told that an incident opens, changes its cause or is resolved."),
    Setting("webhook_secret_file", None, "File that holds the secret that signs what the webhook is sent."),
    Setting("github_secret_file", None, "File that holds the secret with which GitHub's webhook signs."),
    Setting(
        "launchdarkly_secret_file",
        None,
        "File that holds the secret with which LaunchDarkly's webhook signs.",
    ),
    Setting("retention_days", 15.0, "Days for which metrics are kept; the oldest day is dropped as a whole."),
    Setting(
        "disk_limit_bytes",
        None,
        "Most bytes that metrics may take on disk; the oldest days go first, never the last two.",
    ),
    Setting("max_series", 2_000_000, "Most series that are kept at a time; a request with more is refused."),
    Setting(
        "metrics_memory_bytes", 268_435_456, "Most memory that the embedded store of metrics works with, in bytes."
    ),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def environment(given: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return what was given, else the environment of this process."""
    return os.environ if given is None else given


def read(name: str, environ: Mapping[str, str] | None = None) -> str | int | float | None:
    """Return the value of a setting: the environment's when it is there, else the default.

    Raises InputError when the environment's value is not of the default's type.

    >>> read("max_cells", {"HYPOCENTER_MAX_CELLS": "1000"})
    1000
    """
    setting = _BY_NAME[name]
    text = environment(environ).get(setting.variable)
    if text is None or text == "":
        return setting.default
    try:
        return text if setting.default is None else type(setting.default)(text)
    except ValueError as error:
        wanted = type(setting.default).__name__
        raise InputError(f"{setting.variable}={text!r} is not a valid {wanted}; {setting.help}") from error


def help_of(name: str) -> str:
    """Return what a setting does."""
    return _BY_NAME[name].help


def unknown(environ: Mapping[str, str] | None = None) -> Sequence[str]:
    """Return the variables that are named like settings and are none, in order.

    >>> unknown({"HYPOCENTER_TENNANT": "shop", "HOME": "/root"})
    ['HYPOCENTER_TENNANT']
    """
    known = {setting.variable for setting in SETTINGS}
    given = environment(environ)
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


def data_home(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what is kept where nobody named a place, by the XDG Base Directory Specification.

    Raises InputError for an account without a home.

    >>> str(data_home({"XDG_DATA_HOME": "/home/me/data"}))
    '/home/me/data/hypocenter'
    """
    named = environment(environ).get("XDG_DATA_HOME")
    # The specification has relative paths ignored.
    base = Path(named) if named and Path(named).is_absolute() else _home() / ".local" / "share"
    return base / "hypocenter"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise InputError("this account has no home folder; set HOME, or name places as in docs/settings.md") from error
