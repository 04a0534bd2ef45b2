"""Replies of other servers as values: what the writer writes is read back, and what no server writes is refused."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from server.registry.errors import CommandError
from server.registry.reply import Attributed, BigNumber, Pairs, Push, SetOf, Verbatim
from server.registry.reply_reader import read_reply
from server.registry.reply_writer import encode_reply

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))
SCALARS = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | st.binary() | LINE
)
REPLIES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5), max_leaves=30)


def plain(value: Any) -> Any:
    """A value that can be compared: named classes as tuples."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Pairs):
        return "pairs", [(plain(key), plain(item)) for key, item in value.items]
    if isinstance(value, SetOf):
        return "set", [plain(member) for member in value.members]
    if isinstance(value, Push):
        return "push", [plain(item) for item in value.items]
    if isinstance(value, CommandError):
        return "error", value.text
    if isinstance(value, Verbatim):
        return "verbatim", value.format, value.text
    if isinstance(value, BigNumber):
        return "number", value.digits
    if isinstance(value, Attributed):
        return "attributed", plain(value.attributes), plain(value.value)
    return type(value), value


@given(REPLIES)
def test_what_is_written_is_read(value: Any) -> None:
    assert plain(read_reply(encode_reply(value, 3))) == plain(value)


@pytest.mark.parametrize(
    "value",
    [
        Pairs([(b"a", 1), ([b"b"], None)]),
        SetOf([b"x", 2, [b"y"]]),
        Push(b"message", b"channel", b"\r\n"),
        CommandError("WRONGTYPE no"),
        Verbatim(b"# title\r\n", "mkd"),
        BigNumber(b"-3492890328409238509324850943850943825024385"),
        Attributed(Pairs([(b"ttl", 3600)]), [b"v"]),
        [Pairs([]), SetOf([]), Push(b"e"), CommandError("ERR in an array")],
    ],
)
def test_named_classes(value: Any) -> None:
    assert plain(read_reply(encode_reply(value, 3))) == plain(value)


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"+\r\n", ""),
        (b"+OK\n", "OK"),
        (b":+5\r\n", 5),
        (b",inf\r\n", float("inf")),
        (b"*1\r\n$0\r\n\r\n", [b""]),
        (b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\na:1$\r\n", [b"message", b"c", b"a:1$"]),
        (b"*1\r\n$9\r\na\r\n$2\r\nbb\r\n", [b"a\r\n$2\r\nbb"]),
        (b"*2\r\n$5\r\na\r\n$1\r\n$1\r\nb\r\n", [b"a\r\n$1", b"b"]),
        (b"+caf\xc3\xa9 \xff\r\n", "café \udcff"),
    ],
)
def test_forms_that_ours_does_not_write(wire: bytes, value: Any) -> None:
    assert read_reply(wire) == value


def test_an_error_of_a_bulk() -> None:
    assert plain(read_reply(b"!21\r\nSYNTAX invalid syntax\r\n")) == ("error", b"SYNTAX invalid syntax")


@pytest.mark.parametrize(
    "wire",
    [
        b":\r\n", b":four\r\n", b": 4\r\n", b":4_0\r\n", b":9223372036854775808\r\n", b":-9223372036854775809\r\n",
        b":" + b"9" * 5000 + b"\r\n", b",x\r\n",
        b",1_0\r\n", b", 1\r\n", b"#yes\r\n", b"(1.5\r\n", b"=3\r\nabc\r\n", b"$2\r\nabc\r\n",
        b"*1\r\n$2\r\nabc\r\n", b"*1\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*2\r\n:1\r\n", b"+OK\r\n+OK\r\n", b"|0\r\n" * 5000 + b"+OK\r\n",
    ],
)  # fmt: skip
def test_nonsense(wire: bytes) -> None:
    with pytest.raises(ValueError):
        read_reply(wire)
