"""What is served beside the query API, in short: its pages and protocols are told elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypocenter.api.query.routing import ADMIN, KNOWN, OPEN, READ

SENDING = "ingest"
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_KEPT: Mapping[str, Any] = {"200": {"description": "It is durable."}}


@dataclass(frozen=True)
class Other:
    """One operation: `takes` are the media types of its body, `page` tells more."""

    method: str
    path: str
    name: str
    summary: str
    page: str
    scope: str = SENDING
    tag: str = "intake"
    takes: Sequence[str] = ()
    answers: Mapping[str, Any] = field(default_factory=lambda: _KEPT)


def _answer(description: str, *kinds: str) -> Mapping[str, Any]:
    return {"200": {"description": description, "content": {kind: {} for kind in kinds}}}


OTHERS = (
    Other(
        "post",
        "/api/v1/write",
        "remote_write",
        "Prometheus remote write 1.0 and 2.0",
        "integrations/prometheus.md",
        takes=(_PROTOBUF,),
        answers={"204": {"description": "It is durable."}},
    ),
    *(
        Other(
            "post",
            f"/v1/{kind}",
            f"otlp_{kind}",
            f"OTLP over HTTP: {kind}",
            "integrations/opentelemetry.md",
            takes=(_PROTOBUF, _JSON),
        )
        for kind in ("metrics", "traces", "logs")
    ),
    Other(
        "post",
        "/api/v1/alertmanager",
        "alertmanager_webhook",
        "Alerts as the webhook of Alertmanager or Grafana sends them",
        "integrations/alertmanager.md",
        takes=(_JSON,),
    ),
    Other(
        "post",
        "/api/v2/alerts",
        "alertmanager_api",
        "Alerts as Prometheus sends them to Alertmanager",
        "integrations/alertmanager.md",
        takes=(_JSON,),
    ),
    Other(
        "post", "/api/v1/alerts", "push_alerts", "Alerts of any tool", "integrations/alertmanager.md", takes=(_JSON,)
    ),
    Other(
        "post",
        "/api/v1/changes",
        "push_changes",
        "Deploys and other changes",
        "integrations/change-events.md",
        takes=(_JSON,),
    ),
    Other(
        "post",
        "/api/v1/cdevents",
        "cdevents",
        "Changes as CDEvents",
        "integrations/change-events.md",
        takes=(_JSON, "application/cloudevents+json"),
    ),
    Other(
        "post",
        "/api/v1/upload/metrics",
        "upload_metrics",
        "A table of metrics",
        "integrations/files.md",
        takes=("text/csv", "application/vnd.apache.parquet"),
    ),
    Other(
        "post",
        "/api/v1/history",
        "upload_history",
        "Past incidents as a file",
        "integrations/files.md",
        takes=(_JSON, "text/csv"),
    ),
    Other(
        "get",
        "/api/v1/case",
        "export_case",
        "What is kept of a time, as a case folder",
        "serve.md",
        scope=READ,
        tag="server",
        answers=_answer("The case.", "application/zip"),
    ),
    Other(
        "get",
        "/status",
        "status_page",
        "How detection is doing, as a page",
        "detection-live.md",
        scope=READ,
        tag="server",
        answers=_answer("The page.", "text/html"),
    ),
    Other(
        "get",
        "/metrics",
        "own_metrics",
        "Metrics of the server itself",
        "serve.md",
        scope=KNOWN,
        tag="server",
        answers=_answer("The metrics.", "text/plain"),
    ),
    Other(
        "get",
        "/readyz",
        "readyz",
        "Whether it can work",
        "serve.md",
        scope=OPEN,
        tag="server",
        answers={**_answer("It can.", _JSON), "503": {"description": "It cannot, and says why."}},
    ),
    Other(
        "post",
        "/api/v1/backup",
        "backup",
        "A backup of all that is kept",
        "backup.md",
        scope=ADMIN,
        tag="server",
        answers=_answer("The backup.", "application/x-tar"),
    ),
)
