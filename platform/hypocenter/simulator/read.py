"""From a scenario file or its text to a scenario that can be simulated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.simulator.check import Problem, problems
from hypocenter.simulator.parser import COMPONENT_TYPES, parse, read_text

if TYPE_CHECKING:
    from hypocenter.simulator.parser import Statement
    from hypocenter.simulator.scenario import Scenario


def read_scenario(source: Path | str) -> Scenario:
    """Return the scenario of a file, or of text when `source` is a string with a line break.

    Raises InputError that names file, line and fix: unreadable file, unknown statement, value, name or fault type.

    >>> read_scenario("service web cpu=2ms\\nload web 10/s").components[0].cpu
    0.002
    """
    if isinstance(source, str) and "\n" in source:
        text, origin, folder = source, "scenario", None
    else:
        path = Path(source)
        text, origin, folder = read_text(path), path.name, path.parent
    scenario, statements = parse(text, origin, folder)
    for problem in problems(scenario):
        raise InputError(f"{_place(problem, statements, origin)}: {problem.text}")
    return scenario


def checked(scenario: Scenario) -> Scenario:
    """Return the scenario itself; raise InputError with the first problem when it cannot be simulated."""
    for problem in problems(scenario):
        raise InputError(f"scenario {scenario.system}: {problem.text}")
    return scenario


def _place(problem: Problem, statements: list[Statement], origin: str) -> str:
    if problem.kind is None:
        return origin
    kinds = COMPONENT_TYPES if problem.kind == "component" else (problem.kind,)
    return [statement.where for statement in statements if statement.kind in kinds][problem.ordinal]
