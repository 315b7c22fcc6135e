"""Labelled incidents, simulated and real, as calibration sees them: scores, kinds of signal, and which is the root."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.readers import read_cases
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter.simulator.faults import FAULTS
from hypocenter.simulator.shapes import SHAPES
from hypocenter_graph.calibration import Strengths, strengths_of
from hypocenter_workers import truth
from hypocenter_workers.investigate import Options, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hypocenter_graph.rank import Ranking

FIRST_SEED = 70_000
LENGTH_S = 7200.0
FEWEST, MOST = 6, 40
SIMULATED, REAL, ALERTS = "simulated", "real", "alerts alone"


@dataclass(frozen=True)
class Incident:
    """One labelled incident after ranking: `group` is its data set, or its shape when simulated; `roots` are places."""

    world: str
    group: str
    scores: tuple[float, ...]
    kinds: int
    roots: tuple[int, ...]

    @property
    def strengths(self) -> Strengths:
        """What the probabilities are computed from."""
        return Strengths(self.scores, self.kinds)

    @property
    def right(self) -> bool:
        """Whether the first suspect is a root."""
        return 0 in self.roots


def simulate_incidents(folder: Path, incidents: int) -> None:
    """Write what is missing of so many incidents: four shapes in turn, 6 to 40 services, every fault type in turn."""
    for number in range(incidents):
        shape, seed = SHAPES[number % len(SHAPES)], FIRST_SEED + number
        wanted = folder / shape / f"{number:05d}"
        if not wanted.exists():
            services = int(np.random.default_rng(seed).integers(FEWEST, MOST + 1))
            fault = list(FAULTS)[number // len(SHAPES) % len(FAULTS)]
            scenario = generate_scenario(shape, services, seed, fault, length=LENGTH_S)
            unfinished = folder / f".{wanted.name}"
            write_case(simulate(scenario, seed), unfinished)
            wanted.parent.mkdir(parents=True, exist_ok=True)
            unfinished.rename(wanted)
            print(f"simulated {number + 1} of {incidents}", file=sys.stderr)


def gather(simulated: Path, data: Path, jobs: int) -> list[Incident]:
    """Rank every labelled incident in both folders, each told when it began."""
    worlds = ((simulated, SIMULATED), (data / "cases", REAL), (data / "events", ALERTS))
    found = [(source, world) for path, world in worlds if path.is_dir() for source in truth.sources(path)]
    # A simulation that was broken off has left its folder beside those of the shapes.
    found = [(source, world) for source, world in found if world != SIMULATED or source.dataset in SHAPES]
    sources, names = [source for source, _ in found], [world for _, world in found]
    ranked: list[Incident] = []
    for number, incidents in enumerate(_run(sources, names, jobs), start=1):
        ranked += incidents
        print(f"ranked {number} of {len(found)}", file=sys.stderr)
    return ranked


def _run(sources: Sequence[truth.Source], worlds: Sequence[str], jobs: int) -> Iterator[list[Incident]]:
    if jobs <= 1:
        yield from map(incidents_of, sources, worlds)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(incidents_of, sources, worlds)


def incidents_of(source: truth.Source, world: str) -> list[Incident]:
    """Rank the cases of one source."""
    pairs = zip(read_cases(source.path), truth.truths(source), strict=True)
    seen = ((ranked(case, Options(at=case.started_at)).ranking, label) for case, label in pairs)
    return [incident_of(ranking, label.roots, world, source.dataset) for ranking, label in seen if ranking.scored]


def incident_of(ranking: Ranking, roots: Sequence[str], world: str, group: str) -> Incident:
    """Keep of a ranking what confidence rests on, and where its roots stand."""
    strengths = strengths_of(ranking)
    places = tuple(place for place, scored in enumerate(ranking.scored) if scored.component in roots)
    return Incident(world, group, strengths.scores, strengths.kinds, places)


def save(incidents: Sequence[Incident], path: Path) -> None:
    """Keep ranked incidents, one JSON object a line, so that fitting anew takes seconds."""
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in incidents), encoding="utf-8")


def load(path: Path) -> list[Incident]:
    """Read what `save` wrote."""
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [Incident(**record | {name: tuple(record[name]) for name in ("scores", "roots")}) for record in records]
