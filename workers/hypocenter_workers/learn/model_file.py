"""A model as a file: named texts in a zip archive or a folder, with checksums. Nothing in it is ever executed."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError, LimitError
from hypocenter.model_card import ModelCard, card_from_json, card_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FORMAT, VERSION = "hypocenter-model", 1
MANIFEST, CARD = "manifest.json", "card.json"
MOST_PARTS = 64
MOST_BYTES = 200_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.(json|txt)")
# The same model gives the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Model:
    """A learned model: its card, and its parts as texts by file name (LightGBM's text format, or JSON)."""

    card: ModelCard
    parts: Mapping[str, str]


def write_model(path: Path, model: Model) -> None:
    """Write a zip archive, whole or not at all. Raises InputError when it cannot be written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(_zipped(texts_of(model)))
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def write_model_folder(path: Path, model: Model) -> None:
    """Write the texts into a folder, made where it is not there; for models that are kept beside code."""
    path.mkdir(parents=True, exist_ok=True)
    for name, text in texts_of(model).items():
        (path / name).write_text(text, encoding="utf-8", newline="\n")


def read_model(path: Path) -> Model:
    """Read what `write_model` or `write_model_folder` wrote.

    Raises InputError naming the file for what is no model, is damaged, or was made by a newer version; LimitError for
    one of more than `MOST_PARTS` texts or `MOST_BYTES` bytes.
    """
    try:
        return model_of(_texts_of_folder(path) if path.is_dir() else _texts_of_zip(path))
    except LimitError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}: is no model: {error}; `hypocenter train --out` writes one") from error


def is_model(path: Path) -> bool:
    """Say whether a file or folder means to be a model, sound or not: a zip archive or folder with a manifest."""
    try:
        if path.is_dir():
            return (path / MANIFEST).is_file()
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, ValueError):
        return False


def model_of(texts: Mapping[str, str]) -> Model:
    """Return the model that texts by name are. Raises InputError when one is missing, damaged or unknown."""
    stated = _manifest(texts)
    for name, digest in stated.items():
        if name not in texts:
            raise InputError(f"the model lacks its part {name}; copy or train it anew")
        if _digest(texts[name]) != digest:
            raise InputError(f"the model's part {name} is damaged; copy or train it anew")
    if CARD not in stated:
        raise InputError(f"the model lacks its part {CARD}; copy or train it anew")
    parts = {name: texts[name] for name in stated if name != CARD}
    return Model(card_from_json(_json(texts[CARD], CARD)), parts)


def texts_of(model: Model) -> dict[str, str]:
    """Return all texts of a model by name, the manifest first."""
    texts = {**model.parts, CARD: _dumped(card_to_json(model.card))}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "parts": {name: _digest(text) for name, text in sorted(texts.items())},
    }
    return {MANIFEST: _dumped(manifest), **dict(sorted(texts.items()))}


def _dumped(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _zipped(texts: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text.encode(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _manifest(texts: Mapping[str, str]) -> dict[str, str]:
    if MANIFEST not in texts:
        raise InputError(f"is no model: it holds no {MANIFEST}; `hypocenter train --out` writes one")
    record = _json(texts[MANIFEST], MANIFEST)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(f"is no model of Hypocenter: {MANIFEST} names another format")
    if record.get("version") != VERSION:
        raise InputError(
            f"was made by another version of Hypocenter (format {record.get('version')!r:.20}); train it anew"
        )
    parts = record.get("parts")
    if not isinstance(parts, dict) or not all(isinstance(digest, str) for digest in parts.values()):
        raise InputError(f"{MANIFEST} does not list the model's parts; copy or train it anew")
    return parts


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the model's part {name} is no JSON; copy or train it anew") from error


def _texts_of_folder(folder: Path) -> dict[str, str]:
    files = {path.name: path for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name)}
    return _read({name: path.stat().st_size for name, path in files.items()}, lambda name: files[name].read_bytes())


def _texts_of_zip(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist() if _NAME.fullmatch(info.filename)}

        def bytes_of(name: str) -> bytes:
            # What an archive says of its sizes may be false.
            with archive.open(name) as part:
                return part.read(sizes[name] + 1)

        return _read(sizes, bytes_of)


def _read(sizes: Mapping[str, int], bytes_of: Callable[[str], bytes]) -> dict[str, str]:
    if len(sizes) > MOST_PARTS or sum(sizes.values()) > MOST_BYTES:
        raise LimitError(f"a model has at most {MOST_PARTS} parts and {MOST_BYTES:,} bytes")
    return {name: _decoded(name, bytes_of(name)) for name in sizes}


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"the model's part {name} is no text; copy or train it anew") from error
