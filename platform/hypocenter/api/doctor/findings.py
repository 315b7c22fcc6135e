"""What can be found, each kind once: its stable code, how bad it is, and what is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is: something does not work, will or may not, or is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


EXIT_CODES = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding."""

    severity: Severity
    advice: str


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
KINDS = {
    "server-unreachable": Kind(_E, "start it with `hypocenter serve`, or name its address"),
    "server-refuses": Kind(_E, "name a file with a token of scope admin: --bearer-token-file PATH"),
    "server-not-ready": Kind(_E, "see what else is found, and the server's log"),
    "cannot-tell": Kind(_W, "mend what else is found, then ask again"),
    "setting-invalid": Kind(_E, "correct it in the environment and start again; docs/settings.md has all settings"),
    "setting-unknown": Kind(_W, "correct its name or remove it; docs/settings.md has all settings"),
    "secret-unreadable": Kind(_E, "have the file there, readable by the server's account, and not empty"),
    "secret-open": Kind(_W, "chmod 600 the file: it is readable by other accounts"),
    "redis-unreachable": Kind(_E, "start Redis, or correct HYPOCENTER_REDIS_URL and HYPOCENTER_REDIS_PASSWORD_FILE"),
    "redis-old": Kind(_W, "run Redis 6 or newer"),
    "redis-evicts": Kind(_E, "set maxmemory-policy noeviction: tasks that wait must not be dropped"),
    "records-unreachable": Kind(_E, "start the database, or correct HYPOCENTER_RECORDS and its password file"),
    "records-old": Kind(_W, "run PostgreSQL 13 or newer"),
    "records-newer": Kind(_E, "install the newer version that wrote them, or restore a backup of before"),
    "graph-unreachable": Kind(_E, "start Neo4j, or correct HYPOCENTER_GRAPH and the settings that begin with NEO4J"),
    "graph-old": Kind(_W, "run Neo4j 5.26 or newer"),
    "metrics-unreachable": Kind(_E, "start the server that keeps the metrics, or correct HYPOCENTER_METRICS"),
    "clock-skew": Kind(_W, "have clocks kept by NTP on both machines: what happened first must be known to seconds"),
    "samples-ahead": Kind(_W, "correct the clock of the machine that sends them"),
    "samples-stale": Kind(_W, "see that senders run and reach the server; docs/integrations has each of them"),
    "no-samples": Kind(_N, "point a sender at the server; docs/integrations has the lines to paste"),
    "disk-full": Kind(_E, "make room, or lower HYPOCENTER_RETENTION_DAYS or HYPOCENTER_DISK_LIMIT_BYTES"),
    "disk-low": Kind(_W, "make room before the oldest days go"),
    "data-directory-missing": Kind(_E, "name the folder that `hypocenter serve` keeps its data in: --data-dir DIR"),
    "data-directory-open": Kind(_W, "chmod 700 the folder: other accounts can look into it"),
    "tokens-unreadable": Kind(_E, "mend or remove tokens.json, then make tokens anew"),
    "tokens-none": Kind(_E, "hypocenter token create NAME: everybody who reaches the server reads and writes"),
    "series-unattributed": Kind(_W, "add one of the labels service, job, pod or instance, or drop the series"),
    "components-alone": Kind(_N, "send traces, or declare who calls whom: hypocenter graph import"),
    "dead-letters": Kind(_W, "see what failed on /status, and the log of the workers"),
    "shards-lagging": Kind(_W, "start more workers, or see why they do not keep up on /status"),
    "beat-gone": Kind(_E, "start `hypocenter beat`: without it nothing is detected"),
    "pull-stale": Kind(_W, "see that the server that is read can be reached; the log tells why it failed"),
    "webhook-failed": Kind(_W, "see that the receiver answers with 2xx; it is sent again for a day"),
    "retention-short": Kind(_W, "raise HYPOCENTER_RETENTION_DAYS to more than what detectors learn from"),
}
"""Every kind of finding by its code."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found: the code of its kind, what it is about, and in words with numbers what it is."""

    code: str
    subject: str
    message: str

    @property
    def kind(self) -> Kind:
        """How bad it is and what is to be done."""
        return KINDS[self.code]

    def told(self) -> dict[str, str]:
        """Return it as JSON says it."""
        severity, advice = str(self.kind.severity), self.kind.advice
        return {"code": self.code, "severity": severity, "subject": self.subject, "message": self.message, "do": advice}
