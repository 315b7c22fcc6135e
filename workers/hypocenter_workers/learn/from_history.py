"""Labelled cases as incidents to learn from: case folders, research layouts and files of incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter_workers import truth
from hypocenter_workers.investigate import Options, ranked
from hypocenter_workers.learn.examples import Example, Label
from hypocenter_workers.learn.incident_features import decided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hypocenter.telemetry import Case

TRUTH = "truth"


def examples(
    paths: Sequence[Path], *, jobs: int = 1, progress: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[Example, Label]]:
    """Yield every labelled incident at `paths`, as it was seen when it began, and apart from it what became known.

    With `jobs` above 1 cases are read and ranked in as many processes. An incident is yielded as soon as it is ranked:
    whoever keeps no more than its features can read any number. Raises InputError for unlabelled or unreadable cases.
    """
    found = [source for path in paths for source in truth.sources(path)]
    for number, (source, learnt) in enumerate(_run(found, jobs), start=1):
        yield from learnt
        progress(f"{number}/{len(found)} {source.dataset} {source.path.name}")


def example_of(case: Case, system: str = "", decided_at: datetime | None = None) -> Example:
    """Return a case as ranking sees it when it is told the start that the case states; `system` where it states none.

    Alerts and changes after `decided_at`, when the verdict was due, are seen by nobody. Raises InputError as
    `investigate` does.
    """
    seen = decided(case, decided_at)
    found = ranked(seen, Options(at=seen.started_at, ladder=False))
    named = seen.system or seen.dataset or system
    return Example(seen.case_id, named, seen.started_at, seen, found.topology, found.ranking, decided_at)


def source_examples(source: truth.Source) -> Iterator[tuple[Example, Label]]:
    """Yield the incidents of one source. Raises InputError when a case or its label cannot be read."""
    from hypocenter.readers import read_cases

    for case, known in zip(read_cases(source.path), truth.truths(source), strict=True):
        yield example_of(case, source.dataset), Label(known.roots, known.fault_type or None, TRUTH)


def _listed(source: truth.Source) -> list[tuple[Example, Label]]:
    return list(source_examples(source))


def _run(found: Sequence[truth.Source], jobs: int) -> Iterator[tuple[truth.Source, Iterable[tuple[Example, Label]]]]:
    if jobs <= 1:
        yield from ((source, source_examples(source)) for source in found)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from zip(found, pool.map(_listed, found), strict=True)
