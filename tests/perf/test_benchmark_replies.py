"""The reply counter: the same count whatever the pieces, RESP2 and RESP3, errors and pushes told apart."""

import pytest
from hypothesis import given, settings, strategies as st

from perf.benchmark.replies import ReplyCounter

LINES = st.binary(max_size=40).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))


def line(kind: bytes) -> st.SearchStrategy[bytes]:
    return LINES.map(lambda text: kind + text + b"\r\n")


def bulk(kind: bytes) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200).map(lambda data: b"%b%d\r\n%b\r\n" % (kind, len(data), data))


def aggregate(kind: bytes, values: st.SearchStrategy[bytes], each: int = 1) -> st.SearchStrategy[bytes]:
    items = st.integers(0, 4).flatmap(lambda n: st.lists(values, min_size=n * each, max_size=n * each))
    return items.map(lambda found: b"%b%d\r\n%b" % (kind, len(found) // each, b"".join(found)))


def attributed(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(aggregate(b"|", values, 2), values).map(b"".join)


plain = st.one_of(
    *(line(kind) for kind in (b"+", b":", b"_", b"#", b",", b"(")),
    *(bulk(kind) for kind in (b"$", b"=")),
    st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"%0\r\n", b"$0\r\n\r\n", b"_\r\n"]),
)
nested = st.recursive(
    st.one_of(plain, line(b"-"), bulk(b"!")),
    lambda values: st.one_of(
        aggregate(b"*", values), aggregate(b"~", values), aggregate(b"%", values, 2), attributed(values)
    ),
    max_leaves=6,
)
whole = st.one_of(
    plain.map(lambda data: ("reply", data)),
    aggregate(b"*", nested).map(lambda data: ("reply", data)),
    aggregate(b"%", nested, 2).map(lambda data: ("reply", data)),
    line(b"-").map(lambda data: ("error", data)),
    bulk(b"!").map(lambda data: ("error", data)),
    aggregate(b">", nested).map(lambda data: ("push", data)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(whole, max_size=8), st.data())
def test_the_count_does_not_depend_on_the_pieces(stream: list[tuple[str, bytes]], data: st.DataObject):
    text = b"".join(reply for _, reply in stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=30)))
    counter = ReplyCounter()
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        counter.feed(text[start:end])
    assert counter.replies == sum(kind != "push" for kind, _ in stream)
    assert counter.errors == sum(kind == "error" for kind, _ in stream)
    assert counter.between
    assert not counter.broken


@settings(max_examples=100, deadline=None)
@given(st.lists(whole, max_size=4))
def test_byte_by_byte(stream: list[tuple[str, bytes]]):
    counter = ReplyCounter()
    replies = 0
    for kind, reply in stream:
        for i in range(len(reply)):
            assert counter.replies == replies
            counter.feed(reply[i : i + 1])
        replies += kind != "push"
        assert counter.replies == replies


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_garbage_breaks_it_and_nothing_else(pieces: list[bytes]):
    counter = ReplyCounter()
    before = 0
    for piece in pieces:
        assert counter.feed(piece) >= before
        before = counter.replies


def test_the_first_error_is_kept():
    counter = ReplyCounter()
    for byte in b"+OK\r\n-ERR no such key\r\n-ERR another\r\n:1\r\n":
        counter.feed(bytes([byte]))
    assert counter.first_error == b"ERR no such key"
    assert (counter.replies, counter.errors) == (4, 2)


def test_a_long_error_is_cut_and_a_bulk_error_kept():
    counter = ReplyCounter()
    counter.feed(b"!300\r\n" + b"x" * 300 + b"\r\n")
    assert counter.first_error == b"x" * 256
    assert counter.errors == 1


@pytest.mark.parametrize("text", [b"HTTP/1.1 400\r\n", b"$x\r\n", b"$5x", b"*1\rx", b"$" + b"9" * 20 + b"\r\n"])
def test_what_is_no_resp(text: bytes):
    counter = ReplyCounter()
    counter.feed(text)
    assert counter.broken
