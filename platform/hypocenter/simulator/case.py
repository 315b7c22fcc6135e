"""A simulation as a case folder: what an investigation may read, and truth files for the evaluator alone."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model import DependencyType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hypocenter.simulator.simulation import Simulation
    from hypocenter.telemetry import RawTable

DATASET = "simulated"
_UNFINISHED = ".writing-"


def write_case(simulation: Simulation, folder: Path) -> Path:
    """Write case.json, metrics.parquet, spans.parquet, log_lines.parquet and the truth files; return the folder.

    A folder that this function made is written over, so that a simulation may be repeated. Raises InputError when the
    folder holds anything else or cannot be written.
    """
    try:
        if not _may_be_written(folder):
            raise InputError(f"{folder} holds something other than a simulated case; name a new or an empty folder")
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=_UNFINISHED, dir=folder) as unfinished:
            _write_files(simulation, Path(unfinished), folder.resolve().name)
            for file in sorted(Path(unfinished).iterdir()):
                file.replace(folder / file.name)
    except OSError as error:
        raise InputError(f"cannot write case folder {folder}: {error}; choose a folder that can be written") from error
    return folder


def _may_be_written(folder: Path) -> bool:
    """Whether nothing is lost: the folder is new, empty but for an interrupted writing, or a simulated case."""
    if not folder.exists() or all(path.name.startswith(_UNFINISHED) for path in folder.iterdir()):
        return True
    try:
        stated = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stated, dict) and stated.get("dataset") == DATASET and (folder / "truth.json").is_file()


def _write_files(simulation: Simulation, folder: Path, case_id: str) -> None:
    _write_json(folder / "case.json", case_document(simulation, case_id))
    _write_json(folder / "truth.json", truth_document(simulation))
    _write_table(folder / "metrics.parquet", simulation.metrics)
    _write_table(folder / "truth_metrics.parquet", simulation.truth.metrics)
    simulation.spans.to_parquet(folder / "spans.parquet", index=False)
    simulation.log_lines.to_parquet(folder / "log_lines.parquet", index=False)


def case_document(simulation: Simulation, case_id: str) -> dict[str, Any]:
    """Return case.json: everything that is known in operation, nothing of the truth but when trouble was noticed."""
    scenario, target = simulation.scenario, simulation.target
    return {
        "case_id": case_id,
        "dataset": DATASET,
        "system": scenario.system,
        "started_at": _time(simulation.truth.started_at or simulation.noticed_at),
        "dependencies": [
            [d.caller, d.callee] if d.type is DependencyType.CALLS else [d.caller, d.callee, str(d.type)]
            for d in simulation.dependencies
        ],
        "components": [{"name": c.name, "type": str(c.type)} for c in simulation.components],
        "extras": {
            "synthetic": True,
            "step_s": scenario.step,
            "target": target
            and {"node": target.component, "metric": target.metric, "timestamp": _time(simulation.noticed_at)},
            "alerts": [
                {
                    "at": _time(a.at),
                    "component": a.component,
                    "name": a.name,
                    "severity": a.severity,
                    "summary": a.summary,
                }
                for a in simulation.alerts
            ],
            "changes": [
                {
                    "at": _time(c.at),
                    "component": c.component,
                    "type": c.type,
                    "title": c.title,
                    "reference": c.reference,
                }
                for c in simulation.changes
            ],
        },
    }


def truth_document(simulation: Simulation) -> dict[str, Any]:
    """Return truth.json: the answer, for the evaluator alone."""
    truth = simulation.truth
    return {
        "root_component": truth.root_components[0] if truth.root_components else None,
        "root_components": list(truth.root_components),
        "root_metric": truth.root_metric,
        "fault_type": truth.fault_type,
        "started_at": _time(truth.started_at),
    }


def notation(labels: Mapping[str, str]) -> str:
    r"""Return a series' name in Prometheus notation, labels sorted and escaped.

    >>> notation({"__name__": "up", "service": "web", "job": "a\"b"})
    'up{job="a\\"b",service="web"}'
    """
    pairs = sorted((key, value) for key, value in labels.items() if key != "__name__")
    escaped = (f'{k}="{v.translate(_ESCAPES)}"' for k, v in pairs)
    inner = ",".join(escaped)
    return labels["__name__"] + (f"{{{inner}}}" if inner else "")


_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_table(path: Path, table: RawTable) -> None:
    import pandas as pd

    index = pd.DatetimeIndex(table.times, tz="UTC", name="time")
    pd.DataFrame(table.values, index=index, columns=[notation(labels) for labels in table.labels]).to_parquet(path)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
