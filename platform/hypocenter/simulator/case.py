"""A simulation as a case folder: what an investigation may read, and truth files for the evaluator alone."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypocenter.case_writing import events_document, parts_document, time_text, write_json, write_table
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from hypocenter.simulator.simulation import Simulation

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
    write_json(folder / "case.json", case_document(simulation, case_id))
    write_json(folder / "truth.json", truth_document(simulation))
    write_table(folder / "metrics.parquet", simulation.metrics)
    write_table(folder / "truth_metrics.parquet", simulation.truth.metrics)
    simulation.spans.to_parquet(folder / "spans.parquet", index=False)
    simulation.log_lines.to_parquet(folder / "log_lines.parquet", index=False)


def case_document(simulation: Simulation, case_id: str) -> dict[str, Any]:
    """Return case.json: everything that is known in operation, nothing of the truth but when trouble was noticed."""
    scenario, target = simulation.scenario, simulation.target
    return {
        "case_id": case_id,
        "dataset": DATASET,
        "system": scenario.system,
        "started_at": time_text(simulation.truth.started_at or simulation.noticed_at),
        **parts_document(simulation.components, simulation.dependencies),
        "extras": {
            "synthetic": True,
            "step_s": scenario.step,
            "target": target
            and {"node": target.component, "metric": target.metric, "timestamp": time_text(simulation.noticed_at)},
            **events_document(simulation.alerts, simulation.changes),
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
        "started_at": time_text(truth.started_at),
    }
