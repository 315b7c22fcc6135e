"""Whether probabilities mean what they say: on held-out shapes and data sets, with candidate sets and abstention."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import results
from confidence_cases import ALERTS, gather, load, save, simulate_incidents
from confidence_fit import Constants, fit
from confidence_tables import first, judged, reliability_table, tables, worlds
from fitted_file import write_constants
from reliability_picture import draw

from hypocenter_graph import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confidence_cases import Incident
    from confidence_tables import Judged

INCIDENTS = 1200
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "calibration.svg"
NOTE = (
    "Held out: each simulated incident is judged by constants fitted without any incident of its shape of system, each "
    "real one by constants fitted without its data set. As shipped: by the constants of the package, which were fitted "
    "on all of them. Every investigation is told when the incident began. The raw score is the joint strength of the "
    "first suspect, read as a probability. ECE is over 15 bins of equal mass; on few incidents chance alone makes it "
    "large. Intercept and slope are of a logistic regression on the log-odds of what was said, 0 and 1 if ideal. "
    "Ranges are 95 % intervals, by bootstrap or, for shares, exact."
)


def main() -> None:
    """Rank the labelled incidents, fit the constants where asked to, measure, and keep the result."""
    arguments = _arguments()
    incidents = _incidents(arguments)
    shipped = Constants(fitted.BELIEFS, fitted.THRESHOLDS, fitted.LIMITS)
    if arguments.fit:
        shipped = fit(incidents)
        write_constants(shipped, incidents)
    held_out = judged_held_out(incidents)
    panels = {world: first(own) for world, own in worlds(held_out) if world != ALERTS}
    PICTURE.write_text(draw(panels), encoding="utf-8")
    as_shipped = [judged(one, shipped) for one in incidents]
    kept = [*tables("held out", held_out), *tables("as shipped", as_shipped), *reliability_table("held out", held_out)]
    results.keep("calibration", kept, note=NOTE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with cases/ and events/ (default: HYPOCENTER_DATA)")
    parser.add_argument("--simulated", type=Path, default=Path("simulated"), help="folder that keeps the simulations")
    parser.add_argument("--incidents", type=int, default=INCIDENTS, help="how many simulations there are to be")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--ranked", type=Path, help="rankings that an earlier run kept: nothing is ranked anew")
    parser.add_argument("--fit", action="store_true", help="fit the constants and write them into the package")
    return parser.parse_args()


def _incidents(arguments: argparse.Namespace) -> list[Incident]:
    if arguments.ranked:
        return load(arguments.ranked)
    data = results.data_folder(arguments.data)
    simulate_incidents(arguments.simulated, arguments.incidents)
    incidents = gather(arguments.simulated, data, arguments.jobs)
    save(incidents, arguments.simulated / "ranked.jsonl")
    return incidents


def judged_held_out(incidents: Sequence[Incident]) -> list[Judged]:
    """Judge every incident by constants that were fitted without its group."""
    found: list[Judged] = []
    for group in dict.fromkeys(one.group for one in incidents):
        print(f"fitting without {group}", file=sys.stderr)
        constants = fit([one for one in incidents if one.group != group])
        found += [judged(one, constants) for one in incidents if one.group == group]
    return found


if __name__ == "__main__":
    main()
