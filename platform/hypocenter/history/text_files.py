"""Exports as text: their encoding found out, their size bounded, and a half-written one refused."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import InputError, LimitError
from hypocenter.readers.limits import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO, TextIO

    from hypocenter.readers.limits import Limits

LONGEST_LINE = 4_000_000
_BLOCK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Also a file that changes while it is read may break in a character.
_BROKEN = (OSError, EOFError, UnicodeError, zlib.error)


@dataclass(frozen=True, slots=True)
class TextFile:
    """An open export; `where` names it in messages, `notes` say what had to be guessed."""

    where: str
    stream: TextIO
    encoding: str
    notes: tuple[str, ...] = ()


@contextmanager
def opened_text(path: Path, limits: Limits, encoding: str | None = None) -> Iterator[TextFile]:
    """Open a file, gzipped or not, as text in its encoding, which is found out where none is given.

    The file is read once before, so that nothing is made of one that breaks off. Raises InputError for a file that is
    not there, empty, or not text to its end, LimitError for one that is too large, also once unpacked.
    """
    check_file(path, limits)
    if not path.is_file():
        raise InputError(f"{path}: is not a regular file; name a file")
    try:
        with _opened(path) as raw:
            start, whole = _start(raw), raw
            found, notes = _encoding(path, whole, start, limits, encoding)
        with _opened(path) as raw, io.TextIOWrapper(raw, encoding=found, errors="strict", newline="") as stream:
            yield TextFile(str(path), stream, found, notes)
    except _BROKEN as error:
        raise InputError(f"{path}: cannot be read to its end ({error}); export it again") from error


def lines_of(text: TextFile) -> Iterator[str]:
    """Yield the lines with their ends; raises LimitError for one that is too long to be an incident's."""
    while line := text.stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise LimitError(f"{text.where}: a line is longer than {LONGEST_LINE:,} characters; is this an export?")
        yield line


def first_line(text: TextFile) -> tuple[int, str]:
    """Read up to the first line that is not blank; return its number and itself."""
    numbered = enumerate(lines_of(text), start=1)
    return next(((number, line) for number, line in numbered if line.strip()), (1, ""))


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def _start(raw: BinaryIO) -> bytes:
    start = raw.read(64)
    raw.seek(0)
    return start


def _encoding(
    path: Path, raw: BinaryIO, start: bytes, limits: Limits, wanted: str | None
) -> tuple[str, tuple[str, ...]]:
    if not start.strip():
        raise InputError(f"{path}: is empty; export it again")
    if wanted:
        _check(path, raw, wanted, limits)
        return wanted, ()
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None) or _unmarked_utf16(start)
    if marked:
        _check(path, raw, marked, limits)
        return marked, ()
    bad = _first_bad_byte(path, raw, "utf-8", limits)
    return ("utf-8", ()) if bad is None else _single_byte(path, raw, bad, limits)


def _unmarked_utf16(start: bytes) -> str | None:
    """Tell UTF-16 without a mark: of each of the first pairs of bytes, which are plain letters, one is zero."""
    even, odd = start[0:8:2], start[1:8:2]
    if len(odd) < 4:
        return None
    if not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if not any(even) and all(odd) else None


def _single_byte(path: Path, raw: BinaryIO, bad: int, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """Take a file that is not UTF-8 for Windows-1252 or else for Latin-1, in which each byte is a letter."""
    size = raw.seek(0, io.SEEK_END)
    if bad < 0:
        raise InputError(f"{path}: breaks off in the middle of a character; it is half-written, export it again")
    found = "latin-1" if _first_bad_byte(path, raw, "cp1252", limits) is not None else "cp1252"
    shown = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}[found]
    told = f"{path}: not UTF-8 (byte {bad:,} of {size:,}) and was read as {shown}; --encoding names another"
    return found, (told,)


def _check(path: Path, raw: BinaryIO, encoding: str, limits: Limits) -> None:
    bad = _first_bad_byte(path, raw, encoding, limits)
    if bad is not None:
        place = "its end" if bad < 0 else f"byte {bad:,}"
        raise InputError(f"{path}: not {encoding} at {place}; it is half-written or --encoding should name another")


def _first_bad_byte(path: Path, raw: BinaryIO, encoding: str, limits: Limits) -> int | None:
    """Return where `raw` cannot be decoded, -1 where its last character is cut, None when all is well."""
    decoder = _decoder(encoding)
    raw.seek(0)
    done = 0
    while block := raw.read(_BLOCK):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            return done - pending + error.start
        done += len(block)
        if done > limits.file_bytes:
            raise LimitError(
                f"{path}: holds more than the limit of {limits.file_bytes:,} bytes; split it or raise "
                "HYPOCENTER_MAX_FILE_BYTES"
            )
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return -1
    return None


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        return codecs.getincrementaldecoder(encoding)("strict")
    except LookupError as error:
        raise InputError(f"--encoding {encoding}: no such encoding; name one as utf-8, utf-16 or cp1252") from error
