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


LONG = st.text("ab", min_size=60, max_size=140).map(str.encode)         # rows of two and three words


def _table(first: bytes, second: bytes) -> list[list[int]]:
    """By the definition: cell [i][j] is the length for first[:i] and second[:j]."""
    cells = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, byte in enumerate(first, 1):
        for j, other in enumerate(second, 1):
            cells[i][j] = cells[i - 1][j - 1] + 1 if byte == other else max(cells[i - 1][j], cells[i][j - 1])
    return cells


def _walk(first: bytes, second: bytes) -> bytes:
    """The subsequence by Redis's walk: of two ways that are equally long it shortens the second string."""
    cells = _table(first, second)
    i, j, text = len(first), len(second), b""
    while i and j:
        if first[i - 1] == second[j - 1]:
            i, j, text = i - 1, j - 1, first[i - 1 : i] + text
        elif cells[i - 1][j] > cells[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return text


@given(LONG, LONG)
def test_long_ones_agree_with_the_definition(first: bytes, second: bytes) -> None:
    common = lcs.CommonSubsequence(first, second)
    assert common.length == _table(first, second)[-1][-1]
    assert common.text() == _walk(first, second)


@given(WORDS | LONG, WORDS | LONG)
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
