"""Other methods of root-cause ranking beside ours, on the metrics of the labelled cases, under every condition."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import rca_answers
import rca_conditions
import results
from rca_child import LIMIT_S, Tally, interpreter
from rca_peer_tables import tables
from rca_peers import SLOW, available, given

from hypocenter_workers import truth
from hypocenter_workers.evaluate import OURS, evaluate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rca_answers import Answers

    from hypocenter_workers.evaluate import Condition, Method

EVERY = 6
PACKAGES = ("fse-baro", "sfr-pyrca", "RCAEval", "dowhy")
FIRST = ("start told", "start told 2 min early", "start told 2 min late", "start found")
NOTE = (
    "Every peer is given the metrics, as components' series, the call graph, and the start (where that is to be found, "
    "what Hypocenter found); Hypocenter is given the spans and log lines, too, where a case has them. Ties are broken "
    "by lot. A peer is asked under those conditions alone that change something of what it is given: without traces or "
    "log lines all peers say what they said. Slow methods were asked about a part of the cases under most conditions; "
    "above them stands Hypocenter on the same cases. ms is taken beside other work of the machine. The file of the "
    "result holds every data set under every condition. docs/evaluation.md says how each method was run."
)


@dataclass(frozen=True)
class Step:
    """Some methods asked about some cases under one condition."""

    condition: Condition
    methods: tuple[str, ...]
    cases: tuple[Path, ...]


def main() -> None:
    """Ask every peer under every condition, slow ones about some cases, and keep the result after every step."""
    options = _options().parse_args()
    tally = Tally()
    peers = available(tally, options.limit)
    answers = rca_answers.read(options.answers)
    cases = [source.path for source in truth.sources(results.data_folder(options.data) / "cases")]
    for step in steps(cases, peers, options.every):
        if ask(step, peers, tally, answers):
            results.write("rca_peers", *_result(answers, options.limit))
    results.keep("rca_peers", *_result(answers, options.limit))


def _result(answers: Answers, limit_s: float) -> tuple[list[results.Row], str]:
    note = f"{NOTE} {_unanswered(answers.tally, limit_s)} {_versions()}"
    return tables(answers.outcomes, [one.name for one in conditions()]), note


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with cases/ (default: HYPOCENTER_DATA)")
    parser.add_argument("--every", type=int, default=EVERY, help="slow methods are asked about each so many-th case")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds after which a case counts as a miss")
    parser.add_argument("--answers", type=Path, help="file that keeps every answer; a run goes on where it ends")
    return parser


def conditions() -> list[Condition]:
    """Return the conditions that change something for peers, and the true start before them."""
    every = (rca_conditions.TRUE, *rca_conditions.starts(), *rca_conditions.losses())
    return [one for one in every if one == rca_conditions.TRUE or rca_conditions.changed(one)]


def steps(cases: Sequence[Path], peers: Collection[str], every: int) -> Iterator[Step]:
    """Yield what to ask, most telling first; a later step may hold what an earlier one asked of some cases."""
    ordered = sorted(conditions(), key=lambda one: FIRST.index(one.name) if one.name in FIRST else len(FIRST))
    quick = [name for name in peers if name not in SLOW]
    slow = [name for name in SLOW if name in peers]
    every_case, some = tuple(cases), tuple(cases[::every])
    yield Step(rca_conditions.TRUE, (OURS, *quick), every_case)
    yield from (Step(one, (OURS, *_concerned(one, quick)), some) for one in ordered)
    yield from (Step(rca_conditions.TRUE, (name,), some) for name in slow)
    yield from (Step(one, _concerned(one, slow), some) for one in ordered[: len(FIRST)])
    yield from (Step(one, (OURS, *_concerned(one, quick)), every_case) for one in ordered)
    yield from (Step(rca_conditions.TRUE, (name,), every_case) for name in slow)
    yield from (Step(one, _concerned(one, slow), some) for one in ordered[len(FIRST) :])


def _concerned(condition: Condition, names: Sequence[str]) -> tuple[str, ...]:
    if condition == rca_conditions.TRUE:
        return tuple(names)
    return tuple(name for name in names if given(name) & rca_conditions.changed(condition))


def ask(step: Step, peers: dict[str, Method], tally: Tally, answers: Answers) -> int:
    """Ask what was not yet answered, keep each answer, and return the number of cases asked about."""
    asked = 0
    for number, path in enumerate(step.cases, start=1):
        case = f"{path.parent.name}/{path.name}"
        names = answers.open(step.condition.name, case, step.methods)
        if names:
            asked += 1
            tally.clear()
            own = (OURS,) if OURS in names else ()
            extra = {name: peers[name] for name in names if name != OURS}
            found = evaluate([path], own, conditions=(step.condition,), extra=extra)
            kept = [one for one in found if one.method in names and one.level == "component"]
            answers.add(step.condition.name, case, names, kept, tally)
            print(f"{step.condition.name}: {number}/{len(step.cases)} {case}", file=sys.stderr, flush=True)
    return asked


def _unanswered(tally: Tally, limit_s: float) -> str:
    return f"No answer within {limit_s:g} s counts as a miss: {'; '.join(tally.lines()) or 'there was none'}."


def _versions() -> str:
    """Say which versions of the packages answered."""
    python = interpreter()
    if python is None:
        return "The packages were not installed."
    site = sorted(str(path) for path in python.parent.parent.glob("lib/python*/site-packages"))
    found = {d.metadata["Name"]: d.version for d in distributions(path=site)}
    return "Packages: " + ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found) + "."


if __name__ == "__main__":
    main()
