"""What claims say that cannot all be: components that run on each other, or lean on themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.model import DependencyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hypocenter_graph.snapshot import Ends

_ONE_WAY = {
    DependencyType.RUNS_ON: "to run on the other",
    DependencyType.INSTANCE_OF: "to be an instance of the other",
}
_MOST_NAMED = 3


def oddities(dependencies: Iterable[Ends], told: Callable[[Ends], bool]) -> Iterator[str]:
    """Yield a sentence for each kind of oddity in dependencies of which one at least is `told` of.

    >>> calls = [("a", "a", DependencyType.CALLS), ("a", "b", DependencyType.CALLS)]
    >>> list(oddities(calls, lambda ends: True))
    ["'a' is said to lean on itself; that is kept, and nothing follows it"]
    """
    every = set(dependencies)
    loops = sorted({caller for caller, callee, type_ in every if caller == callee and told((caller, callee, type_))})
    if loops:
        itself = "is said to lean on itself" if len(loops) == 1 else "are said to lean on themselves"
        yield f"{_some([repr(name) for name in loops])} {itself}; that is kept, and nothing follows it"
    for type_, words in _ONE_WAY.items():
        pairs = sorted(_contrary(every, type_, told))
        if pairs:
            some = _some([f"{one!r} and {other!r}" for one, other in pairs])
            yield f"{some} are each said {words}; both cannot be, and both are kept"


def _contrary(every: set[Ends], type_: DependencyType, told: Callable[[Ends], bool]) -> Iterator[tuple[str, str]]:
    for caller, callee, kind in every:
        back = callee, caller, kind
        if kind is type_ and caller < callee and back in every and (told((caller, callee, kind)) or told(back)):
            yield caller, callee


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"
