"""How to reach a Prometheus server, and how much of it an investigation may take."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names that services, their runtimes, containers, hosts and meshes are known to expose, less what a monitoring
# system says about itself. A server's other series are read when the caller asks for them.
_KNOWN = (
    "up|ALERTS",
    ".+_(total|count|sum|bucket)",
    ".*(request|response|latency|duration|error|fail|queue|pool|connection|thread|worker|restart|saturation).*",
    "(container|node|process|kube_pod|kubelet|istio|envoy|traces|jvm|redis|mysql|pg|mongodb|kafka|rabbitmq)_.+",
    ".*(cpu|memory|disk|network|filesystem|usage|utili[sz]ation).*",
)
_OWN = "(prometheus|promhttp|alertmanager|scrape|net_conntrack|grafana|loki|go_gc|go_memstats)_.+"
DEFAULT_MATCH = (f'{{__name__=~"{"|".join(_KNOWN)}",__name__!~"{_OWN}"}}',)
# Of what was sent to us on purpose, all but what a monitoring system says of itself.
# Prometheus refuses a selector that only rules out.
DEFAULT_MATCH_OF_KEPT = (f'{{__name__=~".+",__name__!~"{_OWN}"}}',)


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """Access, patience and limits of one investigation's questions; secrets never show in `repr` or in errors.

    `lookahead` is how far past the stated time is read, since what follows an onset shows the fault; `baselines` are
    how long ago the same window is read once more, coarsely, as a fault-free reference. `component_labels` are never
    added up over. `attempts` counts the tries of one question that the server turned down for now, `longest_wait_s`
    is the longest pause between two of them.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False
    timeout_s: float = 30.0
    max_points: int = 20_000_000
    max_response_bytes: int = 256_000_000
    attempts: int = 5
    longest_wait_s: float = 60.0
    lookahead: timedelta = timedelta(minutes=30)
    baselines: tuple[timedelta, ...] = ()
    component_labels: tuple[str, ...] = ()


def options_from_settings() -> PrometheusOptions:
    """Return the options that the settings `prometheus_timeout` and `prometheus_max_points` name, no access."""
    timeout, points = settings.read("prometheus_timeout"), settings.read("prometheus_max_points")
    return PrometheusOptions(timeout_s=float(timeout or 0), max_points=int(points or 0))


def access_from_settings(prefix: str, environ: Mapping[str, str] | None = None) -> PrometheusOptions:
    """Return the options of the server that the settings `<prefix>_user` and so on tell of.

    Raises InputError for a file that cannot be read.
    """
    authority = settings.read(f"{prefix}_ca_file", environ)
    user = settings.read(f"{prefix}_user", environ)
    return replace(
        options_from_settings(),
        username=str(user) if user else None,
        password=_secret(f"{prefix}_password_file", environ),
        bearer_token=_secret(f"{prefix}_token_file", environ),
        ca_file=Path(str(authority)) if authority else None,
    )


def secret_in(path: Path) -> str:
    """Return the secret that a file holds; raises InputError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from error


def _secret(name: str, environ: Mapping[str, str] | None) -> str | None:
    path = settings.read(name, environ)
    return secret_in(Path(str(path))) if path else None
