"""Replies of other servers as values: the way back of `registry.reply_writer`, RESP2 and RESP3.

The bytes are those of one whole reply (iothreads.resp_reply_reader found its end and checked lengths, counts and
nesting), so nothing is missing here; what a line says may still be nonsense.
"""

from collections.abc import Callable

from server.registry.errors import CommandError
from server.registry.light import Any
from server.registry.reply import Attributed, BigNumber, Pairs, Push, SetOf, Verbatim

INT64 = range(-(1 << 63), 1 << 63)
DIGITS = frozenset(b"0123456789")
USUAL = {b"+PONG\r\n": "PONG", b"+OK\r\n": "OK", b":1\r\n": 1}      # to PING and the like
LONGEST_USUAL = 7                  # bytes
SHORT = 512                        # bytes of an array that is read at once


def read_reply(wire: bytes) -> Any:
    """The value, in the vocabulary of `registry.reply`: a status is str, a bulk bytes, an error a CommandError that is
    not raised, null None. Maps come as Pairs and sets as SetOf, for their members may be anything.

    Errors: ValueError. Complexity: O(bytes).
    """
    if len(wire) <= LONGEST_USUAL and (usual := USUAL.get(wire)) is not None:
        return usual
    if wire[:1] == b"*" and len(wire) <= SHORT and (bulks := _short_bulks(wire)) is not None:
        return bulks
    try:
        value, end = _value(wire, 0)
    except RecursionError:             # attributes without end
        raise ValueError("too deep") from None
    if end != len(wire):
        raise ValueError("more than one reply")
    return value


def _value(wire: bytes, at: int) -> tuple[Any, int]:
    """The value that begins there, and where the next one does."""
    kind = wire[at : at + 1]
    end = wire.index(b"\n", at)
    line = wire[at + 1 : end - 1] if wire[end - 1 : end] == b"\r" else wire[at + 1 : end]
    if kind in LINES:
        return LINES[kind](line), end + 1
    count = int(line)
    if count < 0:
        return None, end + 1
    if kind in BULKS:
        if wire[end + 1 + count : end + 3 + count] != b"\r\n":
            raise ValueError("a bulk that is longer than it says")
        return BULKS[kind](wire[end + 1 : end + 1 + count]), end + 3 + count
    items, end = _values(wire, end + 1, count * 2 if kind in b"%|" else count)
    if kind == b"|":
        value, end = _value(wire, end)
        return Attributed(_pairs(items), value), end
    return AGGREGATES[kind](items), end


def _short_bulks(wire: bytes) -> list[bytes] | None:
    """An array of bulks of one line each, such as a message to who is subscribed; None: it is to be read in full."""
    lines = wire.split(b"\r\n")
    bulks = lines[2:-1:2]
    if lines[0] != b"*%d" % len(bulks) or lines[1:-1:2] != [b"$%d" % len(bulk) for bulk in bulks] or lines[-1]:
        return None
    return bulks


def _values(wire: bytes, at: int, count: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        value, at = _value(wire, at)
        items.append(value)
    return items, at


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _digits(line: bytes) -> bytes:
    digits = line[1:] if line[:1] in (b"-", b"+") else line
    if not digits or not DIGITS.issuperset(digits):
        raise ValueError("not a number")
    return line


def _integer(line: bytes) -> int:
    value = int(_digits(line)) if len(line) <= 20 else 1 << 63
    if value not in INT64:
        raise ValueError("an integer beyond 64 bits")
    return value


def _double(line: bytes) -> float:
    if b"_" in line or line.strip() != line:
        raise ValueError("not a double")
    return float(line)


def _boolean(line: bytes) -> bool:
    if line not in (b"t", b"f"):
        raise ValueError("not a boolean")
    return line == b"t"


def _verbatim(body: bytes) -> Verbatim:
    if body[3:4] != b":":
        raise ValueError("a verbatim string without a format")
    return Verbatim(body[4:], body[:3].decode("latin-1"))


def _pairs(items: list[Any]) -> Pairs:
    return Pairs(zip(items[::2], items[1::2], strict=True))


LINES: dict[bytes, Callable[[bytes], Any]] = {
    b"+": _text,
    b"-": CommandError,
    b":": _integer,
    b"_": lambda line: None,
    b"#": _boolean,
    b",": _double,
    b"(": lambda line: BigNumber(_digits(line)),
}
BULKS: dict[bytes, Callable[[bytes], Any]] = {b"$": bytes, b"=": _verbatim, b"!": CommandError}
AGGREGATES: dict[bytes, Callable[[list[Any]], Any]] = {
    b"*": list,
    b"%": _pairs,
    b"~": SetOf,
    b">": lambda items: Push(*items),
}
