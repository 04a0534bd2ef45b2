"""The words of a line: quotes, escapes, and that quoting a word can always be undone."""

import pytest
from hypothesis import given, strategies as st

from server.registry.quoting import quote, split_args


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   \t ", []),
        ("port 6379", ["port", "6379"]),
        ('logfile ""', ["logfile", ""]),
        ("logfile ''", ["logfile", ""]),
        (r'a "b\nc\x41\"\q\\"', ["a", 'b\ncA"q\\']),
        (r"a 'b\n\'c'", ["a", r"b\n'c"]),
        ('a"b c"', ["ab c"]),
        (r'"\x4"', ["x4"]),
        ('"\\xff"', ["\udcff"]),
        ("a\0b c", ["a"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert split_args(line) == words


@pytest.mark.parametrize("line", ['"', "'", '"a', "'a", '"a"b', "'a'b", 'x "a\\"'])
def test_quotes_that_do_not_balance(line: str) -> None:
    assert split_args(line) is None


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_what_is_quoted_can_be_read_back(words: list[bytes]) -> None:
    line = " ".join(map(quote, words))
    read = split_args(line)
    assert read is not None
    assert [word.encode("utf-8", "surrogateescape") for word in read] == words
    assert line.isascii() and line.isprintable()


@given(st.text(alphabet="\"'\\xn4 a\t\0é", max_size=12))
def test_any_line_is_words_or_unbalanced(line: str) -> None:
    words = split_args(line)
    assert words is None or all(isinstance(word, str) for word in words)
