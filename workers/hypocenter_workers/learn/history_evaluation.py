"""What learning from some incidents is worth on others: roots found, fault types told, and probabilities kept."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model_card import Figure
from hypocenter_workers.learn.fault_types import UNKNOWN
from hypocenter_workers.learn.figures import FAULT_TYPE, ROOT, figures_of
from hypocenter_workers.learn.fitting import fit, said_of
from hypocenter_workers.learn.from_history import examples
from hypocenter_workers.learn.training import read
from hypocenter_workers.scoring import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from pathlib import Path

    from hypocenter_workers.learn.figures import Said
    from hypocenter_workers.learn.fitting import Fitted, Past

    Tell = Callable[[str], None]

LOG_LOSS, BRIER = "log-loss", "Brier score"
_LEAST_CHANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Tested:
    """What was measured on one file or folder of incidents that the model did not learn from."""

    name: str
    incidents: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class HistoryEvaluation:
    """How many incidents were learned from, which level of it may re-order suspects, and what was measured on others.

    `level` is `prior`, `core` or `local`: nothing, what names nothing, or also what holds in these systems alone.
    """

    incidents: int
    level: str
    tested: tuple[Tested, ...]


def evaluate_history(
    train: Sequence[Path], test: Sequence[Path], *, jobs: int = 1, progress: Tell = lambda _: None
) -> HistoryEvaluation:
    """Learn from the labelled incidents at `train` and ask about those at `test`, whose labels only judge.

    Raises InputError for unlabelled or unreadable incidents, and for one that is in both.
    """
    learned_from = read(examples(train, jobs=jobs, progress=progress), progress)
    asked = [(path, read(examples([path], jobs=jobs, progress=progress), progress)) for path in test]
    for path, incidents in asked:
        _check_apart(learned_from, incidents, path)
    progress(f"learning from {len(learned_from)} incidents")
    fitted = fit(learned_from)
    tested = tuple(measured(path.name, incidents, fitted) for path, incidents in asked)
    return HistoryEvaluation(len(learned_from), fitted.ranker.level, tested)


def measured(name: str, incidents: Sequence[Past], fitted: Fitted) -> Tested:
    """Ask a model about incidents and measure what it says."""
    return Tested(name, len(incidents), all_figures([said_of(one, fitted) for one in incidents]))


def all_figures(said: Sequence[Said]) -> tuple[Figure, ...]:
    """Measure what was said: the likeliest of the known types counts as the one that was told, however doubtful."""
    told = [_likeliest(one) for one in said]
    return (*figures_of(told), *_losses(told))


def evaluation_to_json(evaluation: HistoryEvaluation) -> dict[str, Any]:
    """Return an evaluation as JSON holds it, by the names of its fields."""
    return asdict(evaluation)


def _check_apart(learned_from: Sequence[Past], incidents: Sequence[Past], path: Path) -> None:
    """Refuse an incident that was learned from; another one that only has its id is another one."""
    known = {_identity(one) for one in learned_from}
    twice = [one.suspects.incident_id for one in incidents if _identity(one) in known]
    if twice:
        raise InputError(f"{path}: incident {twice[0]} is among those to learn from too; test on others")


def _identity(past: Past) -> Hashable:
    return past.suspects.system, past.suspects.incident_id, past.suspects.at, past.suspects.signs


def _likeliest(said: Said) -> Said:
    known = {name: chance for name, chance in said.types.items() if name != UNKNOWN}
    return replace(said, named=max(sorted(known), key=known.__getitem__)) if known else said


def _losses(said: Sequence[Said]) -> Iterator[Figure]:
    """Yield the mean log-loss, and the Brier score over all alternatives (Brier, 1950), of roots and of types.

    Where several are right they are one outcome: any of them.
    """
    rooted = [(one.chances, one.roots) for one in said if one.roots and one.chances]
    typed = [(one.types, (one.fault_type,)) for one in said if one.fault_type and one.types]
    for name, told in ((ROOT, rooted), (FAULT_TYPE, typed)):
        if told:
            yield _mean(f"{LOG_LOSS}, {name}", [_log_loss(chances, right) for chances, right in told])
            yield _mean(f"{BRIER}, {name}", [_brier(chances, right) for chances, right in told])


def _log_loss(chances: Any, right: Any) -> float:
    return -math.log(max(_LEAST_CHANCE, _chance_of_any(chances, right)))


def _brier(chances: Any, right: Any) -> float:
    wrong = math.fsum(chance**2 for name, chance in chances.items() if name not in right)
    return (1.0 - _chance_of_any(chances, right)) ** 2 + wrong


def _chance_of_any(chances: Any, right: Any) -> float:
    return math.fsum(chances.get(name, 0.0) for name in sorted(set(right)))


def _mean(name: str, values: Sequence[float]) -> Figure:
    low, high = bootstrap_interval(values)
    return Figure(name, math.fsum(values) / len(values), low, high, len(values))
