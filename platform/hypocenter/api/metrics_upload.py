"""A table of metrics, sent as a file: its samples are durable when it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypocenter.errors import HypocenterError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hypocenter.api.intake import Intake
    from hypocenter.batches import Labels, Taken
    from hypocenter.ingest.uploads import Findings
    from hypocenter.readers.limits import Limits


def metrics_reader(intake: Intake, limits: Limits) -> Callable[[Path, Mapping[str, str]], dict[str, Any]]:
    """Return what reads such a file into the store and says what was taken of it.

    It raises InputError when there is no sample in it, and what the store raises; samples before that line are taken,
    and a file that is sent again adds nothing twice.
    """

    def read(path: Path, _: Mapping[str, str]) -> dict[str, Any]:
        from hypocenter.history.text_files import lines_of, opened_text
        from hypocenter.ingest.tables import table_samples
        from hypocenter.ingest.uploads import Findings, batches

        findings, written, refused = Findings(), 0, 0
        with opened_text(path, limits) as text:
            try:
                for batch, series in batches(table_samples(lines_of(text), findings), intake.index):
                    taken = intake.writer.submit(batch).result()
                    written, refused = written + taken.written, refused + taken.refused
                    _tell(findings, taken, series)
            except HypocenterError as error:
                raise type(error)(f"{error} ({written:,} samples were taken before)") from error
        return _said(findings, written, refused, text.notes)

    return read


def _tell(findings: Findings, taken: Taken, series: Mapping[int, Labels]) -> None:
    """Keep what the store refused as examples, up to the line that was read last."""
    from hypocenter.ingest.series_labels import shown
    from hypocenter.ingest.uploads import EXAMPLES

    for each in taken.examples[: EXAMPLES - len(findings.examples)]:
        findings.examples.append(f"before line {findings.line:,}: {shown(series[each.series])}: {each.reason}")


def _said(findings: Findings, written: int, refused: int, notes: Sequence[str]) -> dict[str, Any]:
    if not written and not refused:
        reason = f"; {findings.examples[0]}" if findings.examples else ""
        raise InputError(f"not one sample in {findings.rows:,} rows{reason}")
    return {
        "rows": findings.rows,
        "rows_refused": findings.refused,
        "samples": written,
        "samples_refused": refused,
        "examples": findings.examples,
        "notes": list(notes),
    }
