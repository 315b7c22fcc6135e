"""The command that tells all of one model, with what moved since it was trained."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, about_the_records, in_json
from hypocenter.destination import check_destination, write_report
from hypocenter.errors import InputError
from hypocenter.terminal import progress, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hypocenter.history.past_incident import PastIncident
    from hypocenter.model_card import Drift, ModelCard
    from hypocenter.report.model_card import ModelPage
    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.records import ModelEvent, ModelVersion
    from hypocenter_workers.learn.drift import Floats

MOST_TOLD = 5


@click.command(short_help="Tell what is known of a MODEL.")
@click.argument("model")
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--card", type=PATH, help="Where the model card goes, an HTML page.")
@click.option("--drift", is_flag=True, help="Compare features of incidents since with those of training; reads them.")
@about_the_records
@in_json
def show(model: str, version: int | None, card: Path | None, drift: bool, records: str | None, as_json: bool) -> None:
    """Tell what is known of a MODEL, a registered name or a file, and whether to train it anew.

    Of a name, the VERSION that serves is told, else the latest.
    """
    if card is not None:
        check_destination(card, False, (), "--card")
    page = _page_of_file(model) or _page_of_name(model, version, records, drift)
    if card is not None:
        from hypocenter.report.model_card import render_model_card

        write_report(card, render_model_card(page), "--card")
    click.echo(json.dumps(_record(page)) if as_json else "\n".join(map(visible, _lines(page))))


def _page_of_file(name: str) -> ModelPage | None:
    from pathlib import Path

    path = Path(name)
    if not path.exists():
        return None
    from hypocenter.report.model_card import ModelPage
    from hypocenter_workers.learn.model_file import read_model

    return ModelPage(path.name, read_model(path).card)


def _page_of_name(name: str, version: int | None, records: str | None, with_features: bool) -> ModelPage:
    from hypocenter.model_card import card_from_json
    from hypocenter.model_life import versions_of
    from hypocenter.report.model_card import ModelPage
    from hypocenter.stores.opening import open_records

    with closing(open_records(records)) as opened:
        chosen = _chosen(versions_of(opened.models, name), version)
        card = card_from_json(chosen.card)
        drift = _drift(opened, card, with_features)
        events = [_event(event) for event in opened.models.model_events(name)]
    return ModelPage(f"{name} version {chosen.version}", card, str(chosen.status), drift, events)


def _chosen(versions: Sequence[ModelVersion], version: int | None) -> ModelVersion:
    from hypocenter.stores.records import Status

    if version is None:
        serving = [model for model in versions if model.status is Status.SERVING]
        return (serving or list(versions))[-1]
    found = next((model for model in versions if model.version == version), None)
    if found is None:
        raise InputError(f"there is no model {versions[0].name} version {version}; see: hypocenter models list")
    return found


def _drift(opened: SqlRecords, card: ModelCard, with_features: bool) -> Drift:
    from hypocenter_workers.learn.drift import drift_of, since
    from hypocenter_workers.learn.past import is_labelled

    later = [incident for incident in opened.history.incidents() if since(card, incident.started_at)]
    recent = _features(later, card) if with_features else {}
    return drift_of(card, opened.feedback.opinions(), sum(map(is_labelled, later)), recent)


def _features(incidents: Sequence[PastIncident], card: ModelCard) -> dict[str, Floats]:
    from hypocenter_workers.learn.incident_features import features_of
    from hypocenter_workers.learn.past import examples_of_history
    from hypocenter_workers.learn.spread import columns_of, core_of

    seen = examples_of_history(incidents, progress=progress, on_error=_tell_lost)
    return columns_of([core_of(features_of(example).counts.whole()) for example, _ in seen], card.features)


def _tell_lost(place: str, error: InputError) -> None:
    click.echo(visible(f"hypocenter: note: {error} ({place})"), err=True)


def _event(event: ModelEvent) -> str:
    by = f" by {event.by}" if event.by else ""
    why = f": {event.reason}" if event.reason else ""
    how = f"{event.action} by force" if event.forced else event.action
    return f"{event.at:%Y-%m-%d %H:%M} UTC version {event.version} {how}{by}{why}"


def _record(page: ModelPage) -> dict[str, Any]:
    from hypocenter.model_card import card_to_json

    drift = None if page.drift is None else asdict(page.drift)
    head = {"model": page.title, "status": page.status, "events": list(page.events)}
    return head | {"drift": drift, "card": card_to_json(page.card)}


def _lines(page: ModelPage) -> Iterator[str]:
    yield _labelled("model", " · ".join(filter(None, (page.title, page.status))))
    yield from card_lines(page.card)
    if page.drift:
        yield from _drift_lines(page.drift)
    for event in page.events:
        yield _labelled("life", event)


def card_lines(card: ModelCard) -> Iterator[str]:
    """Yield what a card tells, a line each."""
    yield _labelled("trained on", f"{card.trained_on}, {card.created_at:%Y-%m-%d %H:%M} UTC")
    for figure in card.figures:
        unlearned = "" if figure.unlearned is None else f", {figure.unlearned:.3f} without it"
        yield _labelled(
            "measured", f"{figure.name} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}{unlearned})"
        )
    if card.gate:
        yield _labelled("gate", f"{'let through' if card.gate.admitted else 'not let through'}: {card.gate.reason}")
    for note in card.notes:
        yield _labelled("note", note)


def _drift_lines(drift: Drift) -> Iterator[str]:
    for month in drift.accuracy[-MOST_TOLD:]:
        yield _labelled("judged", f"{month.month}: {month.right} of {month.judged} right")
    for moved in drift.features[:MOST_TOLD]:
        yield _labelled("moved", f"{moved.feature}: index {moved.stability:.2f}")
    for reason in drift.reasons:
        yield _labelled("train anew", reason)


def _labelled(label: str, text: str) -> str:
    return f"{label:<12} {text}"
