"""The words of a syntax: which there are, which take a value, which exclude each other."""

import pytest

from server.registry.errors import CommandError
from server.registry.option_words import OptionWords

SET = OptionWords("key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]")
XADD = OptionWords(
    "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]"
)


def rivals(words: OptionWords) -> dict[str, set[str]]:
    return {one.name: {other.name for other in words.words if other.bit & one.rivals} for one in words.words}


def test_alternatives_exclude_each_other():
    assert rivals(SET) == {
        "NX": {"XX"},
        "XX": {"NX"},
        "GET": set(),
        "EX": {"PX", "KEEPTTL"},
        "PX": {"EX", "KEEPTTL"},
        "KEEPTTL": {"EX", "PX"},
    }
    assert rivals(XADD) == {
        "NOMKSTREAM": set(),
        "MAXLEN": {"MINID"},
        "MINID": {"MAXLEN"},
        "=": {"~"},
        "~": {"="},
        "LIMIT": set(),
        "*": set(),
    }


def test_values():
    assert [one.name for one in SET.words if one.valued] == ["EX", "PX"]
    assert [one.name for one in XADD.words if one.valued] == ["LIMIT"]


def test_each_word_has_a_bit_of_its_own():
    assert [one.bit for one in XADD.words] == [1 << n for n in range(7)]


def test_words_are_known_in_any_case():
    assert [SET.name_of(word) for word in (b"nx", b"Nx", b"KEEPTTL", b"N", b"nxx", b"", b"value", b"\xff")] == [
        "NX",
        "NX",
        "KEEPTTL",
        "",
        "",
        "",
        "",
        "",
    ]
    assert XADD.name_of(b"~") == "~"


def test_read():
    assert SET.read([]) == {}
    assert SET.read([b"get", b"EX", b"10", b"xx"]) == {"GET": b"", "EX": b"10", "XX": b""}


def test_a_word_may_be_repeated_and_its_last_value_counts():
    assert SET.read([b"EX", b"10", b"GET", b"ex", b"20", b"GET"]) == {"EX": b"20", "GET": b""}


@pytest.mark.parametrize("words", [[b"NX", b"XX"], [b"EX"], [b"EX", b"1", b"KEEPTTL"], [b"zz"], [b"GET", b""]])
def test_syntax_errors(words):
    with pytest.raises(CommandError, match=r"^ERR syntax error$"):
        SET.read(words)
