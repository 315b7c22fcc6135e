"""What learning from past incidents is worth: accuracy, calibration, unknown faults, transfer, and its time."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
import results
from confidence_cases import simulate_incidents
from learn_cases import Known, groups_of, in_turn, known_of, left_out
from learn_tables import areas, beside_prior, calibration_rows, figure_row, interval, row, split, told_first

from hypocenter.simulator.shapes import SHAPES
from hypocenter_workers.learn.fault_types import UNKNOWN
from hypocenter_workers.learn.fitting import fit, said_of
from hypocenter_workers.learn.from_history import examples
from hypocenter_workers.learn.history_evaluation import all_figures
from hypocenter_workers.learn.levels import ungated
from hypocenter_workers.learn.ranker import SuspectRanker
from hypocenter_workers.learn.suspect_stages import CORE
from hypocenter_workers.learn.training import read
from hypocenter_workers.learn.validation import folds
from hypocenter_workers.scoring import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from results import Row

    from hypocenter_workers.learn.figures import Said
    from hypocenter_workers.learn.fitting import Fitted, Past
    from hypocenter_workers.learn.validation import Fold

INCIDENTS = 1200
FOLDS = 5
SIZES = (0, 5, 20, 50, 100)
HELD_SHARE = 0.4
REPEATS = 3
FEWEST_OF_TYPE = 10
LARGE = 10_000
NOTE = (
    "Accuracy and fault types are cross-validated within each file in five parts, so that each model learns from four "
    "fifths of it. TVDiag and naive (LightGBM on raw event counts) are published figures of the authors' own test "
    "split, which is not here: they stand beside, and are not of the same incidents. A fault type counts as told by "
    "the likeliest of the known ones; the precision-recall area of a type is the mean precision over its incidents in "
    "the order of the probability given to it. Unknown: all incidents of one type are left out of training. "
    "Calibration: of simulated incidents each shape of system is asked of a model of the others; of real ones each "
    "data set of a model of all others; the name-free core, and the gate left open. Curve: trained on the first so "
    "many incidents of three random orders, asked of the last two fifths of each; differences are paired. "
    "Transfer: the core learned from all other systems, the gate left open: where it is in place, what fewer than five "
    "systems taught serves in none but these, and incidents of others keep the unlearned order."
)


def main() -> None:
    """Measure the parts that are asked for, keep their rows, and join them with those that earlier runs kept."""
    arguments = _arguments()
    for part in arguments.only or PARTS:
        print(f"part {part}", file=sys.stderr)
        rows = PARTS[part](arguments)
        arguments.kept.mkdir(parents=True, exist_ok=True)
        (arguments.kept / f"rows-{part}.json").write_text(json.dumps(rows), encoding="utf-8")
    made = [arguments.kept / f"rows-{part}.json" for part in PARTS]
    results.keep(
        "learn", [line for path in made if path.exists() for line in json.loads(path.read_text("utf-8"))], note=NOTE
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with cases/ and events/ (default: HYPOCENTER_DATA)")
    parser.add_argument("--simulated", type=Path, default=Path("simulated"), help="folder that keeps the simulations")
    parser.add_argument("--incidents", type=int, default=INCIDENTS, help="how many simulations there are to be")
    parser.add_argument("--kept", type=Path, default=Path("learned"), help="folder that keeps rankings and rows")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part; may be repeated")
    arguments = parser.parse_args()
    arguments.data = results.data_folder(arguments.data)
    return arguments


def accuracy(arguments: argparse.Namespace) -> list[Row]:
    """Roots and fault types of every file of incidents, cross-validated within it."""
    found: list[Row] = []
    by_type: list[Row] = []
    for path, incidents in _events(arguments.data):
        said = _cross_validated(incidents)
        found += [figure_row("Accuracy within a file", path, figure) for figure in all_figures(said)]
        by_type += areas(path, said)
    return found + by_type


def unknown(arguments: argparse.Namespace) -> list[Row]:
    """How often a fault of a type that was left out of training is called unknown, and how often one that was not."""
    found = []
    for path, incidents in _events(arguments.data):
        types = [one.label.fault_type or "" for one in incidents]
        common = [name for name in sorted(set(types)) if types.count(name) >= FEWEST_OF_TYPE]
        for name in common if len(common) > 2 else ():
            fitted = fit([one for one in incidents if one.label.fault_type != name])
            called = [_is_called(one, fitted) for one in incidents if one.label.fault_type == name]
            found.append(_share_row("Left out of training: called unknown", path, name, called))
        found.append(_share_row("Left out of training: called unknown", path, "none left out", _called(incidents)))
    return found


def calibration(arguments: argparse.Namespace) -> list[Row]:
    """Probabilities on shapes of system, and on real data sets, that nothing was learned from."""
    simulated = _simulated(arguments)
    found = _calibrated("Calibration of the core: simulated, unseen shapes", "all shapes", simulated)
    return found + _calibrated("Calibration of the core: real, unseen systems", "cases", _cases(arguments))


def curve(arguments: argparse.Namespace) -> list[Row]:
    """How what was learned compares with the prior by how many incidents it was learned from."""
    found = []
    for name, known in _known_events(arguments).items():
        held = int(len(known) * HELD_SHARE)
        for size in sorted({min(size, len(known) - held) for size in SIZES}):
            asked, told = [], []
            for repeat in range(REPEATS):
                order = np.random.default_rng(repeat).permutation(len(known))
                learned = sorted(order[held:][:size].tolist())
                ranker = SuspectRanker.fit_suspects(*split(known[at] for at in learned))
                asked += [known[at] for at in order[:held]]
                told += [_chances(ranker, known[at]) for at in order[:held]]
            rows = beside_prior("Learning curve", name, asked, told)
            found += [{**line, "measure": f"{size} incidents, {line['measure']}"} for line in rows[:2]]
    return found


def transfer(arguments: argparse.Namespace) -> list[Row]:
    """The name-free core on a system that nothing was learned from."""
    found = []
    for part, groups in (
        ("Transfer of the core: metrics, traces and logs", groups_of(_cases(arguments))),
        ("Transfer of the core: alerts alone", _known_events(arguments)),
    ):
        for name, others, own in left_out(groups):
            ranker = SuspectRanker.fit_suspects(*split(others), CORE, ungated)
            found += beside_prior(part, name, own, [_chances(ranker, one) for one in own])[:2]
    return found


def core(arguments: argparse.Namespace) -> list[Row]:
    """Roots of every file of incidents, cross-validated within it, by the name-free core alone."""
    found = []
    for name, known in _known_events(arguments).items():
        asked, told = [], []
        for fold in folds([one.suspects.incident_id for one in known], [None] * len(known), [""] * len(known), FOLDS):
            ranker = SuspectRanker.fit_suspects(*split(known[at] for at in fold.learned), CORE)
            asked += [known[at] for at in fold.held]
            told += [_chances(ranker, known[at]) for at in fold.held]
        found += beside_prior("Accuracy within a file, by the name-free core alone", name, asked, told)[:2]
    return found


def duration(arguments: argparse.Namespace) -> list[Row]:
    """The time of a core that it takes to learn from many incidents, and to predict one."""
    path = arguments.data / "events" / "tvdiag_sockshop.jsonl.gz"
    read_ones = list(examples([path]))
    incidents = read(iter(read_ones), lambda _: None)
    many = [_renamed(incidents[at % len(incidents)], at) for at in range(LARGE)]
    began = process_time()
    fitted = fit(many)
    training = process_time() - began
    fitted.ranker.rescore(read_ones[0][0])
    fitted.types.predict(read_ones[0][0])
    began = process_time()
    for example, _ in read_ones[:50]:
        fitted.ranker.rescore(example)
        fitted.types.predict(example)
    predicting = (process_time() - began) / 50
    return [
        row(
            "Time", f"{LARGE:,} incidents, 21 components", "training, s of one core", incidents=LARGE, learned=training
        ),
        row(
            "Time", "one incident, 21 components", "predicting, ms of one core", incidents=50, learned=predicting * 1000
        ),
    ]


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "accuracy": accuracy,
    "core": core,
    "unknown": unknown,
    "curve": curve,
    "transfer": transfer,
    "calibration": calibration,
    "time": duration,
}


def _events(data: Path) -> list[tuple[str, list[Past]]]:
    files = sorted((data / "events").glob("*.jsonl*"))
    return [(path.name.split(".")[0], read(examples([path]), lambda _: None)) for path in files]


def _known_events(arguments: argparse.Namespace) -> dict[str, list[Known]]:
    return groups_of(known_of(in_turn([arguments.data / "events"]), arguments.kept))


def _cases(arguments: argparse.Namespace) -> list[Known]:
    return known_of(in_turn(sorted((arguments.data / "cases").iterdir())), arguments.kept)


def _simulated(arguments: argparse.Namespace) -> list[Known]:
    simulate_incidents(arguments.simulated, arguments.incidents)
    sources = in_turn([arguments.simulated / shape for shape in SHAPES])
    return known_of(sources[: arguments.incidents], arguments.kept)


def _cross_validated(incidents: Sequence[Past]) -> list[Said]:
    found = []
    for fold in _folds(incidents):
        fitted = fit([incidents[at] for at in fold.learned])
        found += [said_of(incidents[at], fitted) for at in fold.held]
    return found


def _folds(incidents: Sequence[Past]) -> list[Fold]:
    ids = [one.suspects.incident_id for one in incidents]
    return folds(ids, [None] * len(ids), [one.label.fault_type or "" for one in incidents], FOLDS)


def _called(incidents: Sequence[Past]) -> list[bool]:
    """Return which incidents are called unknown by a model that learned from others of all types."""
    found: list[bool] = []
    for fold in _folds(incidents):
        fitted = fit([incidents[at] for at in fold.learned])
        found += [_is_called(incidents[at], fitted) for at in fold.held]
    return found


def _is_called(past: Past, fitted: Fitted) -> bool:
    return said_of(past, fitted).named == UNKNOWN


def _share_row(part: str, data: str, measure: str, called: Sequence[bool]) -> Row:
    shares = [float(one) for one in called]
    cells = {"incidents": len(shares), "learned": float(np.mean(shares)), "95 %": interval(*bootstrap_interval(shares))}
    return row(part, data, measure, **cells)


def _calibrated(part: str, data: str, known: Sequence[Known]) -> list[Row]:
    said: list[float] = []
    right: list[float] = []
    asked: list[Known] = []
    told = []
    for _, others, own in left_out(groups_of(known)):
        ranker = SuspectRanker.fit_suspects(*split(others), CORE, ungated)
        chances, hit = told_first(own, ranker)
        said, right, asked = said + chances, right + hit, asked + own
        told += [ranker.chances(one.suspects) for one in own]
    return [*calibration_rows(part, data, np.array(said), np.array(right)), *beside_prior(part, data, asked, told)[:2]]


def _chances(ranker: SuspectRanker, known: Known) -> np.ndarray:
    return ranker.chances(known.suspects) if ranker.speaks_of(known.suspects) else np.array(known.suspects.prior)


def _renamed(past: Past, number: int) -> Past:
    name = f"{past.suspects.incident_id}-{number}"
    return replace(
        past,
        suspects=replace(past.suspects, incident_id=name),
        features=replace(past.features, incident_id=name),
    )


if __name__ == "__main__":
    main()
