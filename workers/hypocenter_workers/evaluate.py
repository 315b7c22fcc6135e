"""Accuracy over labelled cases: every method and every trivial baseline, on the same cases, by one rule."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from hypocenter.errors import InputError
from hypocenter.model import DependencyType
from hypocenter_workers import truth
from hypocenter_workers.baselines import BASELINES, Situation
from hypocenter_workers.perturb import with_start_off
from hypocenter_workers.scoring import Ranking, at_service_level, hits, mean_rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hypocenter.model import Verdict
    from hypocenter.telemetry import Case, Signals

OURS = "hypocenter"
METHODS = (OURS, *BASELINES)
ALWAYS = ("random", "largest-z", "nsigma", "most-anomalous", "deepest-anomalous")
LARGEST_OFFSET_S = 7 * 86400
Start = Literal["true", "detected"]
Method = Callable[[Situation], Ranking]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Condition:
    """What is changed before any method looks, and whether methods are told the start.

    `case` are changes of a case as read, `signals` of what it was resolved to, each applied in turn; one that finds
    nothing to change returns the very object that it was given. A condition with a name is left out for a case that it
    does not change, or of which it leaves nothing. `extra` says whether the extra methods are asked too.
    """

    name: str = ""
    case: tuple[Callable[[Case], Case], ...] = ()
    signals: tuple[Callable[[Signals], Signals], ...] = ()
    start: Start = "true"
    extra: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """By which methods and under which conditions cases are run; `extra` are methods that are not our own, by name."""

    methods: tuple[str, ...] = METHODS
    conditions: tuple[Condition, ...] = (Condition(),)
    extra: Mapping[str, Method] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method said about one case, in `ms` milliseconds; a method that cannot abstain leaves the rest None."""

    ranking: Ranking
    ms: float
    probability: float | None = None
    cause: str | None = None
    abstained: bool | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One method's answer on one case against its label, at one level: `component`, or `service` where both are known.

    `hits` are AC@1 ... AC@5 of the case, `rank` the mean rank of its root (None: not listed), `top` the first suspect.
    `cause_hit` says whether the cause that was named is a root; it is None for a method that names none.
    """

    dataset: str
    case_id: str
    method: str
    level: str
    fault_type: str
    roots: tuple[str, ...]
    hits: tuple[float, ...]
    rank: float | None
    top: str | None
    probability: float | None
    abstained: bool | None
    cause_hit: bool | None
    ms: float
    condition: str = ""


def told(start: Start = "true", offset_s: float = 0.0) -> Condition:
    """Return the condition of nothing but the start: stated, shifted by some seconds, or "detected", not stated.

    Raises InputError when the shift is beyond reason.
    """
    if not abs(offset_s) <= LARGEST_OFFSET_S:
        raise InputError(f"offset of {offset_s} s: the start can be shifted by {LARGEST_OFFSET_S} s at most")
    shift = (partial(with_start_off, seconds=offset_s),) if offset_s and start == "true" else ()
    return Condition("", shift, start=start)


def evaluate(
    datasets: Sequence[Path],
    methods: Sequence[str] = (OURS,),
    *,
    conditions: Sequence[Condition] = (Condition(),),
    extra: Mapping[str, Method] | None = None,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Outcome, ...]:
    """Run `methods`, the trivial baselines and all `extra` methods over every labelled case at `datasets`.

    A start that a condition leaves to be detected is found by our method, and the others, which have no detector, are
    told what it found. With `jobs` above 1 cases run in as many processes, milliseconds are no longer comparable, and
    each of `extra` and of the conditions' changes must be a function of a module that can be imported. Raises
    InputError for unlabelled or unreadable cases.
    """
    plan = Plan(_checked(methods), tuple(conditions), dict(extra or {}))
    found = [source for path in datasets for source in truth.sources(path)]
    outcomes: list[Outcome] = []
    for number, (source, result) in enumerate(_run(found, plan, jobs), start=1):
        outcomes += result
        progress(f"{number}/{len(found)} {source.dataset} {source.path.name}")
    return tuple(outcomes)


def evaluate_source(source: truth.Source, plan: Plan) -> list[Outcome]:
    """Run every method of the plan over the cases of one source."""
    from hypocenter.readers import read_cases

    pairs = zip(read_cases(source.path), truth.truths(source), strict=True)
    return [outcome for case, label in pairs for outcome in _case_outcomes(_named(case, source), label, plan)]


def answers(case: Case, signals: Signals, plan: Plan, condition: Condition) -> dict[str, Answer]:
    """Ask every method of the plan where the case began; no label comes near this."""
    detected = condition.start == "detected"
    start = None if detected else case.started_at
    given: dict[str, Answer] = {}
    if OURS in plan.methods or detected:
        verdict, ms = _timed(_investigated, case, signals, start)
        given[OURS] = _answer(verdict, ms)
        start = verdict.onset if detected else start
    others = {method: BASELINES[method] for method in plan.methods if method != OURS}
    others |= plan.extra if condition.extra else {}
    for method, ask in others.items():
        given[method] = Answer(*_timed(ask, Situation(case, signals, start)))
    return given if OURS in plan.methods else {method: given[method] for method in others}


def _checked(methods: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(methods) - set(METHODS))
    if unknown:
        raise InputError(f"unknown method {', '.join(unknown)}; choose from {', '.join(METHODS)}")
    return tuple(dict.fromkeys([*methods, *ALWAYS]))


def _run(found: Sequence[truth.Source], plan: Plan, jobs: int) -> Iterator[tuple[truth.Source, list[Outcome]]]:
    if jobs <= 1:
        yield from ((source, evaluate_source(source, plan)) for source in found)
        return
    from concurrent.futures import ProcessPoolExecutor
    from itertools import repeat
    from multiprocessing import get_context

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from zip(found, pool.map(evaluate_source, found, repeat(plan)), strict=True)


def _named(case: Case, source: truth.Source) -> Case:
    return case if case.dataset else replace(case, dataset=source.dataset)


def _case_outcomes(case: Case, label: truth.Truth, plan: Plan) -> Iterator[Outcome]:
    from hypocenter.signals import resolve

    signals, resolve_ms = _timed(resolve, case)
    for condition in plan.conditions:
        known = _under(condition, case, signals, resolve_ms)
        if known is not None:
            given = answers(known.case, known.signals, plan, condition)
            for outcome in _outcomes(case, label, given, known.resolve_ms):
                yield replace(outcome, condition=condition.name)


def _outcomes(case: Case, label: truth.Truth, given: Mapping[str, Answer], resolve_ms: float) -> Iterator[Outcome]:
    service_of = _service_names(case)
    for method, found in given.items():
        answer = replace(found, ms=found.ms + resolve_ms)
        yield _outcome(case, method, answer, label)
        if label.root_service is not None:
            yield _service_outcome(case, method, answer, label, service_of)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a condition leaves of a case, its signals and the milliseconds of resolving them."""

    case: Case
    signals: Signals
    resolve_ms: float


def _under(condition: Condition, case: Case, signals: Signals, resolve_ms: float) -> _Known | None:
    """Return what a named condition leaves of a case; None where it changes nothing or leaves nothing to look at."""
    from hypocenter.signals import resolve

    changed = _after(condition.case, case)
    resolved, ms = (signals, resolve_ms) if _same_telemetry(changed, case) else _timed(resolve, changed)
    left = _after(condition.signals, resolved)
    anything = bool(changed.alerts) or any(table.series for table in left.tables)
    same = bool(condition.case or condition.signals) and changed is case and left is resolved
    return None if condition.name and (same or not anything) else _Known(changed, left, ms)


def _after(changes: Sequence[Callable[[T], T]], known: T) -> T:
    return reduce(lambda changed, change: change(changed), changes, known)


def _same_telemetry(case: Case, other: Case) -> bool:
    """Whether two cases resolve to the same signals: nothing but what is stated of the incident differs."""
    stated = {"started_at", "alerts", "changes", "target", "masked"}
    names = [known.name for known in fields(case) if known.name not in stated]
    return all(getattr(case, name) is getattr(other, name) for name in names)


def _investigated(case: Case, signals: Signals, start: datetime | None) -> Verdict:
    from hypocenter_workers.investigate import Options, investigate

    return investigate(case, Options(at=start, ladder=False), resolved=signals).verdict


def _answer(verdict: Verdict, ms: float) -> Answer:
    probability = verdict.suspects[0].probability if verdict.suspects else 0.0
    return Answer(ranking_of_verdict(verdict), ms, probability, verdict.cause, verdict.abstained)


def ranking_of_verdict(verdict: Verdict) -> Ranking:
    """Read a verdict as a ranking: its own order counts, and neighbours of equal probability and score tie."""
    ranking: list[tuple[str, float]] = []
    place, last = 0.0, None
    for suspect in verdict.suspects:
        place, last = place - (last != (suspect.probability, suspect.score)), (suspect.probability, suspect.score)
        ranking.append((suspect.component, place))
    return tuple(ranking)


def _outcome(case: Case, method: str, answer: Answer, label: truth.Truth, level: str = "component") -> Outcome:
    return Outcome(
        dataset=case.dataset,
        case_id=case.case_id,
        method=method,
        level=level,
        fault_type=label.fault_type,
        roots=label.roots,
        hits=tuple(hits(answer.ranking, label.roots).tolist()),
        rank=mean_rank(answer.ranking, label.roots),
        top=answer.ranking[0][0] if answer.ranking else None,
        probability=answer.probability,
        abstained=answer.abstained,
        cause_hit=None if answer.cause is None else answer.cause in label.roots,
        ms=answer.ms,
    )


def _service_outcome(
    case: Case, method: str, answer: Answer, label: truth.Truth, service_of: Callable[[str], str]
) -> Outcome:
    folded = replace(
        answer,
        ranking=at_service_level(answer.ranking, service_of),
        cause=None if answer.cause is None else service_of(answer.cause),
    )
    return _outcome(case, method, folded, replace(label, roots=(label.root_service or "",)), "service")


def _service_names(case: Case) -> Callable[[str], str]:
    """Map an instance to its service: by INSTANCE_OF edges, or by its trailing number where a case has none."""
    edges = [edge for edge in case.dependencies or () if edge.type is DependencyType.INSTANCE_OF]
    parents = {edge.caller: edge.callee for edge in edges}
    if parents:
        return lambda component: parents.get(component, component)
    return lambda component: re.sub(r"-?\d+$", "", component) or component


def _timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    began = time.perf_counter()
    result = work(*args, **kwargs)
    return result, (time.perf_counter() - began) * 1000.0
