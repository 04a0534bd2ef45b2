"""Glob patterns: the forms, Redis's corner cases, and that no pattern is slow."""

import re

import pytest
from hypothesis import given, strategies as st

from server.structures import glob


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (b"", b"", True),
        (b"*", b"", False),  # a star alone meets an empty text in no step
        (b"*", b"x", True),
        (b"a*", b"a", True),
        (b"a**", b"a", True),
        (b"*a", b"aa", True),
        (b"a*b*c", b"a-b-b-c", True),
        (b"a*b*c", b"a-b-b-", False),
        (b"a?c", b"abc", True),
        (b"a?c", b"ac", False),
        (b"[abc]", b"b", True),
        (b"[^abc]", b"b", False),
        (b"[^abc]", b"d", True),
        (b"[a-c]", b"b", True),
        (b"[c-a]", b"b", True),
        (b"[a-c", b"b", True),  # not closed: it ends with the pattern
        (b"[", b"b", False),
        (b"[^", b"b", True),
        (b"[]", b"]", False),
        (b"[\\]]", b"]", True),
        (b"[\\-x]", b"-", True),
        (b"\\*", b"*", True),
        (b"\\*", b"x", False),
        (b"a\\", b"a\\", True),
        (b"\\a\\b", b"ab", True),
        (b"a\x00*", b"a\x00b", True),
        (b"[\x80-\xff]", b"\xc3", True),
        (b"[a-\xff]", b"\x05", True),  # bytes compare signed: \xff is -1, below a
    ],
)
def test_match(pattern: bytes, text: bytes, matches: bool) -> None:
    assert glob.match(pattern, text) is matches


def test_ignoring_case() -> None:
    assert glob.match(b"MaxMem*", b"maxmemory", True)
    assert glob.match(b"[A-C]x", b"bX", True)
    assert not glob.match(b"MaxMem*", b"maxmemory")


def test_at_most_a_thousand_stars_match() -> None:
    text = b"a" * 3000 + b"b"
    assert glob.match(b"a*" * 1000 + b"b", text)
    assert not glob.match(b"a*" * 1001 + b"b", text)
    assert glob.match(b"a" + b"*" * 5000 + b"b", text)  # neighbours count as one


def test_no_pattern_is_slow() -> None:
    assert not glob.match(b"*a" * 200 + b"b", b"a" * 20000)


def test_matching_keeps_the_order() -> None:
    assert glob.matching(b"*b*", [b"b", b"a", b"ab", b""]) == [b"b", b"ab"]
    assert glob.matching(b"*", [b"b", b""]) == [b"b", b""]


@given(st.lists(st.sampled_from(["a", "b", "*", "?"]), max_size=8), st.text("abc", min_size=1, max_size=8))
def test_stars_and_question_marks_as_a_regular_expression(parts: list[str], text: str) -> None:
    expected = re.fullmatch("".join({"*": ".*", "?": "."}.get(part, part) for part in parts), text) is not None
    assert glob.match("".join(parts).encode(), text.encode()) is expected
