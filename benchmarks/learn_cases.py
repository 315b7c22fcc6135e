"""Labelled incidents as learners see them, kept in a file each so that a long benchmark can be taken up again."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.model import MetricKind
from hypocenter_workers import truth
from hypocenter_workers.learn.from_history import source_examples
from hypocenter_workers.learn.signs import Sign
from hypocenter_workers.learn.suspect_features import CORE, Suspects, suspects_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hypocenter_workers.learn.examples import Example, Label

Roots = tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """An incident by its features, with its label; `group` is its data set, or its shape when simulated."""

    suspects: Suspects
    roots: Roots
    fault: str
    group: str


def in_turn(paths: Sequence[Path]) -> list[truth.Source]:
    """List the labelled cases at several paths, one of each in turn."""
    turns = zip_longest(*(truth.sources(path) for path in paths))
    return [source for source in chain.from_iterable(turns) if source is not None]


def known_of(sources: Sequence[truth.Source], kept: Path) -> list[Known]:
    """Read and rank cases, each of which is kept as a file in `kept` and read from it the next time."""
    kept.mkdir(parents=True, exist_ok=True)
    found = []
    for number, source in enumerate(sources, start=1):
        path = kept / f"{source.dataset}-{source.path.name}.jsonl"
        if not path.exists():
            lines = [_line(example, label, source.dataset) for example, label in source_examples(source)]
            unfinished = path.with_suffix(".part")
            unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
            unfinished.rename(path)
            print(f"ranked {number} of {len(sources)}", file=sys.stderr)
        found += [_read(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return found


def _line(example: Example, label: Label, group: str) -> str:
    suspects = suspects_of(example)
    lists = {"core": suspects.core.tolist(), "modalities": sorted(suspects.modalities)}
    stated = asdict(suspects) | lists | {"at": None, "features": CORE}
    return json.dumps([stated, label.roots, label.fault_type or "", group])


def _read(line: list[Any]) -> Known:
    stated, roots, fault, group = line
    if tuple(stated.pop("features")) != CORE or "modalities" not in stated:
        raise SystemExit("what an earlier run kept is of other features: remove it")
    signs = tuple(Sign(**{**sign, "kind": MetricKind(sign["kind"])}) for sign in stated["signs"])
    read = {"core": np.array(stated["core"]), "signs": signs, "components": tuple(stated["components"])}
    read |= {"modalities": frozenset(stated["modalities"]), "prior": tuple(stated["prior"])}
    return Known(Suspects(**{**stated, **read}), tuple(roots), fault, group)


def split(known: Iterable[Known]) -> tuple[list[Suspects], list[Roots]]:
    """Return the suspects of all incidents, and their roots."""
    listed = list(known)
    return [one.suspects for one in listed], [one.roots for one in listed]


def groups_of(known: Iterable[Known]) -> dict[str, list[Known]]:
    """Return the incidents by group, in order."""
    found: dict[str, list[Known]] = {}
    for one in known:
        found.setdefault(one.group, []).append(one)
    return found


def left_out(groups: dict[str, list[Known]]) -> Iterator[tuple[str, list[Known], list[Known]]]:
    """Yield every group with the incidents of all others, and its own."""
    for name, own in groups.items():
        yield name, [one for other, of in groups.items() if other != name for one in of], own
