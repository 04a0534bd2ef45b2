"""Reading arguments: numbers as Redis reads them, and options by name.

Each function takes bytes and returns a Python value or raises CommandError with Redis's text.
"""

from server.registry.errors import MUST_BE_POSITIVE, NO_CURSOR, NOT_A_FLOAT, NOT_AN_INTEGER, CommandError, syntax
from server.registry.integers import integer as integer, parse_integer as parse_integer

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
_BLANKS = b" \t\n\v\f\r"
_DIGITS = b"0123456789"
_MOST_DIGITS = 20       # of 64 bits; more only say that it is too large
CURSOR_MASK = (1 << 64) - 1


def leading_integer(text: bytes) -> int:
    """The integer that a text begins with, as C's atoll reads it: 0 when there is none, at most 64 bits."""
    number = text.lstrip(_BLANKS)
    sign = -1 if number[:1] == b"-" else 1
    if number[:1] in (b"-", b"+"):
        number = number[1:]
    significant = number.lstrip(b"0")
    digits = significant[:len(significant) - len(significant.lstrip(_DIGITS))]
    return max(INT64_MIN, min(INT64_MAX, sign * int(digits[:_MOST_DIGITS] or 0)))


def integer_in(text: bytes, low: int, high: int, error: str | None = None) -> int:
    """An integer with bounds; `error` replaces both texts, for what is no number and for what lies outside."""
    value = integer(text, error or NOT_AN_INTEGER)
    if not low <= value <= high:
        raise CommandError(error or f"ERR value is out of range, value must between {low} and {high}")
    return value


def positive(text: bytes, error: str | None = None) -> int:
    """0 or more: `value is out of range, must be positive` otherwise (also for text that is no number)."""
    value = parse_integer(text)
    if value is None or value < 0:
        raise CommandError(error or MUST_BE_POSITIVE)
    return value


def parse_float(text: bytes) -> float | None:
    """A double as strtod reads the whole text (hex, inf too), but no NaN and no surrounding space; None otherwise."""
    if not text or text[0] in b" \t\n\v\f\r" or text[-1] in b" \t\n\v\f\r" or b"_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        try:
            value = float.fromhex(text.decode("ascii")) if b"x" in text.lower() else None  # type: ignore[assignment]
        except (ValueError, OverflowError):
            return None
        if value is None:
            return None
    if value != value:
        return None
    if value in (float("inf"), float("-inf")) and b"inf" not in text.lower():
        return None  # overflow: strtod sets ERANGE
    return value


def float_(text: bytes, error: str = NOT_A_FLOAT) -> float:
    """A double."""
    value = parse_float(text)
    if value is None:
        raise CommandError(error)
    return value


def cursor(text: bytes) -> int:
    """The cursor of SCAN and its like, read as leniently as strtoul does. Errors: invalid cursor."""
    text = text.split(b"\0", 1)[0]
    if not text:
        return 0
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    value = int(text) if digits.isdigit() else CURSOR_MASK + 1
    if abs(value) > CURSOR_MASK:
        raise CommandError(NO_CURSOR)
    return value & CURSOR_MASK


def scan_options(words: tuple[bytes, ...]) -> tuple[bytes | None, int]:
    """`[MATCH pattern] [COUNT count]` of HSCAN, SSCAN and ZSCAN: (pattern or None, count, 10 by default)."""
    pattern, count = None, 10
    for at in range(0, len(words), 2):
        name = words[at].upper()
        if name not in (b"MATCH", b"COUNT") or at + 1 == len(words):
            raise syntax()
        if name == b"COUNT":
            count = integer(words[at + 1])
            if count < 1:
                raise syntax()
        else:
            pattern = None if words[at + 1] == b"*" else words[at + 1]
    return pattern, min(count, 1 << 48)
