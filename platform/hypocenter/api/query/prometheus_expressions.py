"""The expressions that the Prometheus-compatible endpoints answer: one selector, or arithmetic of numbers."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from hypocenter.api.query.bands import Selector, milliseconds, selector_of
from hypocenter.arguments import parse_duration
from hypocenter.errors import InputError

LONGEST = 2_000
DEEPEST = 20
_TOKEN = re.compile(
    r"\s*(?:(?P<number>0[xX][0-9a-fA-F]{1,16}|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|(?i:inf|nan)\b)"
    r"|(?P<sign>[-+*/%^()]))"
)
_ANSWERED = (
    'only one selector, as hypocenter_anomaly_score{component="cart"}, and arithmetic of numbers are answered here: '
    "no functions, aggregations, ranges or offsets"
)


def parsed(text: str) -> float | Selector:
    """Return the number that an expression comes to, or the conditions of its selector; raises InputError for another.

    >>> parsed("1+1"), parsed('up{job="a"}')[1].value
    (2.0, 'a')
    """
    if len(text) > LONGEST:
        raise InputError(f"query: at most {LONGEST:,} characters are read")
    tokens = _tokens(text)
    if tokens:
        return _Arithmetic(tokens).whole()
    try:
        return selector_of(text)
    except InputError as error:
        raise InputError(f"query: {text!r:.100}: {_ANSWERED}") from error


def _tokens(text: str) -> list[str]:
    """Return the tokens of arithmetic, none where it is none."""
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        word = _TOKEN.match(text, at)
        if word is None:
            return []
        found.append(word[0].strip())
        at = word.end()
    return found


def _divided(left: float, right: float) -> float:
    if right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
    return left / right


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


def _remainder(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


# Strength, whether it binds to the right, and what it does.
_OPERATORS: Mapping[str, tuple[int, bool, Callable[[float, float], float]]] = {
    "+": (1, False, lambda left, right: left + right),
    "-": (1, False, lambda left, right: left - right),
    "*": (2, False, lambda left, right: left * right),
    "/": (2, False, _divided),
    "%": (2, False, _remainder),
    "^": (4, True, _power),
}
_SIGN = 3


class _Arithmetic:
    """Numbers and operators, taken from the left."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    def whole(self) -> float:
        """Return what all of it comes to; raises InputError."""
        value = self._from(0)
        if self._at < len(self._tokens):
            raise InputError(f"query: {self._tokens[self._at]!r} is not expected where it stands")
        return value

    def _from(self, least: int) -> float:
        self._depth += 1
        if self._depth > DEEPEST:
            raise InputError(f"query: nested deeper than {DEEPEST}")
        value = self._first()
        for strength, to_the_right, does in self._operators(least):
            value = does(value, self._from(strength if to_the_right else strength + 1))
        self._depth -= 1
        return value

    def _operators(self, least: int) -> Iterator[tuple[int, bool, Callable[[float, float], float]]]:
        while self._at < len(self._tokens):
            found = _OPERATORS.get(self._tokens[self._at])
            if found is None or found[0] < least:
                return
            self._at += 1
            yield found

    def _first(self) -> float:
        word = self._next()
        if word in ("+", "-"):
            value = self._from(_SIGN)
            return -value if word == "-" else value
        if word == "(":
            value = self._from(0)
            if self._next() != ")":
                raise InputError("query: a closing parenthesis is missing")
            return value
        if word in _OPERATORS or word == ")":
            raise InputError(f"query: {word!r} is not expected where it stands")
        return float.fromhex(word) if word[:2].lower() == "0x" else float(word)

    def _next(self) -> str:
        if self._at == len(self._tokens):
            raise InputError("query: it ends where a number is expected")
        self._at += 1
        return self._tokens[self._at - 1]


def moment_ms(text: str, name: str) -> int:
    """Return a time, in seconds since 1970 or as RFC 3339 says it, in ms; raises InputError that names the parameter.

    >>> moment_ms("1.5", "time"), moment_ms("1970-01-01T00:00:01Z", "time")
    (1500, 1000)
    """
    try:
        seconds = _seconds(text)
        return milliseconds(datetime.fromisoformat(text)) if seconds is None else round(seconds * 1000)
    except (ValueError, OverflowError, TypeError) as error:
        raise InputError(f"{name}: {text!r:.40} is no time; write seconds since 1970, or as RFC 3339 says") from error


def step_ms(text: str) -> int:
    """Return a step, in seconds or as `15s` or `1h30m`, in ms; raises InputError.

    >>> step_ms("15"), step_ms("1m30s")
    (15000, 90000)
    """
    try:
        seconds = _seconds(text)
        found = round((parse_duration(text).total_seconds() if seconds is None else seconds) * 1000)
    except (ValueError, OverflowError) as error:
        raise InputError(f"step: {text!r:.40} is none; write seconds, or a duration such as 15s") from error
    if not 1 <= found <= _LONGEST_STEP_MS:
        raise InputError(f"step: {text!r:.40} is none; write at least 0.001 and at most {_LONGEST_STEP_MS // 1000}")
    return found


_LONGEST_STEP_MS = 31 * 86_400_000
_LONGEST_S = 1e11


def _seconds(text: str) -> float | None:
    """Return a finite number of seconds, None where the text is no number."""
    try:
        found = float(text)
    except ValueError:
        return None
    if not math.isfinite(found) or abs(found) > _LONGEST_S:
        raise ValueError("out of range")
    return found
