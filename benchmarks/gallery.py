"""Render every labelled case that is ranked wrong as a report, with a page that lists them, into gallery/."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import results

from hypocenter.report import render
from hypocenter.report.wording import clean
from hypocenter_workers import truth
from hypocenter_workers.evaluate import ranking_of_verdict
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.scoreboard import aligned
from hypocenter_workers.scoring import hits, mean_rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypocenter.model import Verdict
    from hypocenter.telemetry import Case

FOLDER = Path(__file__).parents[1] / "gallery"
HEADS = ("data set", "case", "fault", "began at", "rank", "first three", "named")
SHOWN = 3
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cases ranked wrong</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 80rem; padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.6rem; }}
h2 {{ font-size: 1.1rem; margin: 1.6rem 0 0.5rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-size: 0.9rem; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.35rem 0.8rem 0.35rem 0; border-top: 1px solid #8886; }}
td {{ overflow-wrap: anywhere; min-width: 4rem; }}
ol {{ margin: 0; padding-left: 1.2rem; }}
</style>
</head>
<body>
<h1>Cases ranked wrong</h1>
<p>Every case of which a component that it did not begin at is ranked first, the start being told. Each name leads to
the report as a user would see it; the label was not known to it.</p>
{sections}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Miss:
    """A case ranked wrong: where it began, at which rank that is, the first suspects with their probabilities."""

    dataset: str
    case_id: str
    fault_type: str
    roots: tuple[str, ...]
    rank: float | None
    first: tuple[tuple[str, float], ...]
    cause: str | None
    page: str


def main() -> None:
    """Render the misses, and print their list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder of labelled cases (default: HYPOCENTER_DATA)")
    folder = results.data_folder(parser.parse_args().data)
    shutil.rmtree(FOLDER, ignore_errors=True)
    found, cases = gallery(folder, FOLDER)
    print(
        "\n".join([*aligned([HEADS, *map(_cells, found)]), "", f"{len(found)} of {cases} cases: {FOLDER}/index.html"])
    )


def gallery(data: Path, out: Path) -> tuple[list[Miss], int]:
    """Write a report per case ranked wrong and index.html; return the misses, and how many cases there were.

    Cases are those of `cases/` and `events/` below a folder that has these, else all below the folder.
    """
    parts = [path for path in (data / "cases", data / "events") if path.is_dir()] or [data]
    misses: list[Miss] = []
    totals: Counter[str] = Counter()
    for source in (source for path in parts for source in truth.sources(path)):
        print(source.dataset, source.path.name, file=sys.stderr)
        for dataset, miss in _misses(source, out):
            totals[dataset] += 1
            misses += [miss] if miss else []
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(index(misses, totals), encoding="utf-8")
    return misses, totals.total()


def _misses(source: truth.Source, out: Path) -> Iterator[tuple[str, Miss | None]]:
    from hypocenter.readers import read_cases

    for number, (case, label) in enumerate(zip(read_cases(source.path), truth.truths(source), strict=True), start=1):
        dataset = case.dataset or source.dataset
        page = f"{_file_name(dataset)}/{_file_name(source.path.name)}-{number}.html"
        verdict = investigate(case, Options(at=case.started_at, ladder=False)).verdict
        miss = _miss(case, label, verdict, dataset, page)
        if miss is not None:
            (out / page).parent.mkdir(parents=True, exist_ok=True)
            (out / page).write_text(render(investigate(case, Options(at=case.started_at))), encoding="utf-8")
        yield dataset, miss


def _miss(case: Case, label: truth.Truth, verdict: Verdict, dataset: str, page: str) -> Miss | None:
    ranking = ranking_of_verdict(verdict)
    if hits(ranking, label.roots)[0] == 1:
        return None
    first = tuple((suspect.component, suspect.probability) for suspect in verdict.suspects[:SHOWN])
    rank = mean_rank(ranking, label.roots)
    return Miss(dataset, case.case_id, label.fault_type, label.roots, rank, first, verdict.cause, page)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".-") or "cases"


def index(misses: Sequence[Miss], totals: Counter[str]) -> str:
    """Return the page that lists all misses, a section per data set, everything in it escaped."""
    sections = (_section(dataset, [m for m in misses if m.dataset == dataset], totals[dataset]) for dataset in totals)
    return PAGE.format(sections="\n".join(sections))


def _section(dataset: str, misses: Sequence[Miss], total: int) -> str:
    head = f"<h2>{_text(dataset)}: {len(misses)} of {total} ranked wrong</h2>"
    if not misses:
        return head
    heads = "".join(f"<th>{_text(word)}</th>" for word in HEADS[1:])
    return "\n".join([head, f'<div class="wide"><table><tr>{heads}</tr>', *map(_line, misses), "</table></div>"])


def _line(miss: Miss) -> str:
    suspects = "".join(f"<li>{_text(component)}, {chance:.0%}</li>" for component, chance in miss.first)
    cells = (
        f'<a href="{escape(miss.page)}">{_text(miss.case_id)}</a>',
        _text(miss.fault_type),
        _text(", ".join(miss.roots)),
        _text(_rank(miss)),
        f"<ol>{suspects}</ol>",
        _text(miss.cause or "no confident cause"),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _text(text: str) -> str:
    return escape(clean(text))


def _rank(miss: Miss) -> str:
    return "not listed" if miss.rank is None else f"{miss.rank:g}"


def _cells(miss: Miss) -> tuple[str, ...]:
    first = ", ".join(f"{component} {chance:.0%}" for component, chance in miss.first)
    return tuple(
        clean(text)
        for text in (
            miss.dataset,
            miss.case_id,
            miss.fault_type,
            ", ".join(miss.roots),
            _rank(miss),
            first,
            miss.cause or "-",
        )
    )


if __name__ == "__main__":
    main()
