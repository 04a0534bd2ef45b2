"""Longest common subsequence: the known example, and that what it returns is what it says."""

from hypothesis import given, strategies as st

from server.structures import lcs

WORDS = st.text("abc", max_size=12).map(str.encode)


def test_example() -> None:
    common = lcs.CommonSubsequence(b"ohmytext", b"mynewtext")
    assert (common.length, common.text()) == (6, b"mytext")
    assert common.ranges() == [(4, 7, 5, 8), (2, 3, 0, 1)]
    assert lcs.table_bytes(b"ab", b"c") == 24


def test_empty() -> None:
    common = lcs.CommonSubsequence(b"", b"abc")
    assert (common.length, common.text(), common.ranges()) == (0, b"", [])


@given(WORDS, WORDS)
def test_properties(first: bytes, second: bytes) -> None:
    common = lcs.CommonSubsequence(first, second)
    text = common.text()
    assert common.length == len(text) == lcs.CommonSubsequence(second, first).length
    for whole in (first, second):
        at = iter(whole)
        assert all(byte in at for byte in text)  # a subsequence
    joined = b""
    for start, end, other_start, other_end in reversed(common.ranges()):
        assert first[start : end + 1] == second[other_start : other_end + 1] != b""
        joined += first[start : end + 1]
    assert joined == text
