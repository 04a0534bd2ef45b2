"""What a command may return, beyond plain Python values.

`int` integer, `bytes` bulk string, `None` null, `list`/`tuple` array, `dict` map, `set`/`frozenset` set, `float`
double, `bool` boolean, `str` simple status, a CommandError inside an array an error. RESP2 clients get a map as a flat
array, a set as an array, a double as a bulk string, a boolean as 0 or 1, a verbatim string as a bulk string. The
classes below say the rest. The writer is `registry.reply_writer`.
"""

from collections.abc import Iterable, Iterator, Sequence

from server.registry.light import Any

PIECE = 1000      # elements of a Streamed that are made at once


class NoReply:
    """Nothing is written: the command answers later, by pushes, or not at all. Use the instance NO_REPLY."""


class NullArray:
    """`*-1` for RESP2, null for RESP3. Use the instance NULL_ARRAY."""


class Pairs:
    """A map whose pairs keep their order and may repeat a key: `Pairs([(k, v), ...])`."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[tuple[Any, Any]]) -> None:
        self.items = list(items)


class SetOf:
    """A set reply whose members keep the given order (and need not be hashable)."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = members


class Verbatim:
    """A verbatim string: text for people, with a three-letter format ("txt", "mkd")."""

    __slots__ = ("format", "text")

    def __init__(self, text: bytes | str, format: str = "txt") -> None:
        self.text = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self.format = format.encode()


class Streamed:
    """A huge array, made piece by piece while it is written: `length` elements, which `pieces` yields as lists (of
    elements, or of replies that were written before). It ends early when its client is closed for its output limit.
    Only as the whole reply of a command that a connection called: what EXEC or a script runs must return a list."""

    __slots__ = ("length", "pieces")

    def __init__(self, length: int, pieces: Iterable[Sequence[Any]]) -> None:
        self.length = length
        self.pieces = pieces


def pieces(count: int) -> Iterator[int]:
    """So many elements in pieces: the size of each. Complexity: O(count)."""
    while count > 0:
        yield min(count, PIECE)
        count -= PIECE


class Push:
    """An out-of-band message: `>n` for RESP3, an array for RESP2."""

    __slots__ = ("items",)

    def __init__(self, *items: Any) -> None:
        self.items = items


class BigNumber:
    """An integer beyond 64 bits: `(digits` for RESP3, a bulk string for RESP2."""

    __slots__ = ("digits",)

    def __init__(self, digits: bytes) -> None:
        self.digits = digits


class Attributed:
    """A value that carries an attribute map before it (RESP3 only; RESP2 sees the bare value)."""

    __slots__ = ("attributes", "value")

    def __init__(self, attributes: Pairs | dict[Any, Any], value: Any) -> None:
        self.attributes = attributes
        self.value = value


class Encoded:
    """Bytes that are a reply already."""

    __slots__ = ("wire",)

    def __init__(self, wire: bytes) -> None:
        self.wire = wire


class Several:
    """More than one top-level reply to one command (SUBSCRIBE a b)."""

    __slots__ = ("replies",)

    def __init__(self, replies: Sequence[Any]) -> None:
        self.replies = replies


NO_REPLY = NoReply()
NULL_ARRAY = NullArray()
OK = "OK"
QUEUED = "QUEUED"
