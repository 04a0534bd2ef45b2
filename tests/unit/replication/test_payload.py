"""The snapshot of a full sync, in pieces of any size."""

import pytest
from hypothesis import given, strategies as st

from server.replication.payload import LONGEST_LINE, Payload, PayloadError

MARK = b"0123456789abcdef0123456789abcdef01234567"


def received(wire: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """What was the snapshot, and what was left for others."""
    written = bytearray()
    payload = Payload()
    at = 0
    places = [*sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for end in places:
        while at < end and not payload.done:
            taken, part = payload.take(wire[at:end])
            at += taken
            written += part
    assert payload.done
    return bytes(written[: payload.received]), wire[at:]


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=8), st.integers(0, 3))
def test_with_a_length(data: bytes, cuts: list[int], newlines: int) -> None:
    wire = b"\n" * newlines + b"$%d\r\n" % len(data) + data + b"*1\r\n$4\r\nPING\r\n"
    assert received(wire, cuts) == (data, b"*1\r\n$4\r\nPING\r\n")


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=8))
def test_with_a_mark(data: bytes, cuts: list[int]) -> None:
    assert received(b"$EOF:" + MARK + b"\r\n" + data + MARK, cuts) == (data, b"")


ODD = [b"-ERR no\r\n", b"+OK\r\n", b"$EOF:short\r\n", b"$-1\r\n", b"$x\r\n", b"x" * 2 * LONGEST_LINE]


@pytest.mark.parametrize("wire", ODD)
def test_what_is_no_snapshot(wire: bytes) -> None:
    with pytest.raises(PayloadError):
        Payload().take(wire)
