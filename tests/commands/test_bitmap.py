"""Bitmaps through the socket; the same calls to a real server decide what is right."""

import random

import pytest

from tests.support.differential import Pair
from tests.support.resp import Connection


def test_set_and_get_bits(raw: Connection) -> None:
    assert raw("SETBIT", "b", 7, 1) == 0
    assert raw("GET", "b") == b"\x01"
    assert raw("SETBIT", "b", 7, 0) == 1
    assert raw("GETBIT", "b", 7) == 0
    assert raw("GETBIT", "b", 4294967295) == 0
    assert raw("STRLEN", "b") == 1


def test_a_bit_beyond_the_end_extends_the_string_even_with_zero(raw: Connection) -> None:
    assert raw("SETBIT", "b", 100, 0) == 0
    assert raw("STRLEN", "b") == 13


def test_bits_of_a_number(raw: Connection) -> None:
    raw("SET", "n", 1)                       # 0011 0001
    assert raw("OBJECT", "ENCODING", "n") == b"int"
    assert raw("SETBIT", "n", 6, 1) == 0
    assert raw("GET", "n") == b"3"
    assert raw("OBJECT", "ENCODING", "n") == b"raw"


@pytest.mark.parametrize("offset", ["-1", "x", "4294967296", "#1", str(2**63)])
def test_bad_offsets(raw: Connection, offset: str) -> None:
    assert raw("SETBIT", "b", offset, 1) == raw("GETBIT", "b", offset)
    assert str(raw("SETBIT", "b", offset, 1)) == "ERR bit offset is not an integer or out of range"


def test_wrong_type_changes_nothing(raw: Connection) -> None:
    raw("RPUSH", "l", "x")
    for call in (("SETBIT", "l", 0, 1), ("GETBIT", "l", 0), ("BITCOUNT", "l"), ("BITPOS", "l", 1),
                 ("BITOP", "NOT", "t", "l"), ("BITFIELD", "l", "GET", "u8", 0), ("BITFIELD", "l", "SET", "u8", 0, 1)):
        assert raw(*call).code == "WRONGTYPE", call
    assert raw("EXISTS", "t") == 0


def test_bitop_of_nothing_deletes_the_target(raw: Connection) -> None:
    raw("SET", "t", "x")
    assert raw("BITOP", "AND", "t", "no", "nor") == 0
    assert raw("EXISTS", "t") == 0


def test_a_large_bitmap_is_counted_whole_and_in_part(raw: Connection) -> None:
    random.seed(1)
    data = random.randbytes(100_003)
    bits = "".join(f"{byte:08b}" for byte in data)
    raw("SET", "b", data)
    assert raw("BITCOUNT", "b") == bits.count("1")
    for _ in range(50):
        first, last = sorted(random.sample(range(len(bits)), 2))
        assert raw("BITCOUNT", "b", first, last, "BIT") == bits[first:last + 1].count("1")


def test_commands_agree_with_a_real_server(both: Pair) -> None:
    """Random strings and ranges: counting, finding, combining."""
    random.seed(2)
    for round_ in range(150):
        size = random.choice((0, 1, 2, 7, 8, 9, 64, 65, 200))
        for key in "abc":
            data = bytes(random.choice((0, 255, random.randrange(256))) for _ in range(random.randrange(size + 1)))
            both("SET", key, data)
        if round_ % 5 == 0:
            both("SET", "a", random.choice((1, -70000, 10**15)))
        span = [random.randrange(-size - 3, size + 4) for _ in range(2)]
        wide = [random.randrange(-8 * size - 9, 8 * size + 9) for _ in range(2)]
        both("BITCOUNT", "a", *span)
        both("BITCOUNT", "a", *wide, "bit")
        for bit in (0, 1):
            both("BITPOS", "a", bit)
            both("BITPOS", "a", bit, span[0])
            both("BITPOS", "a", bit, *span, "BYTE")
            both("BITPOS", "a", bit, *wide, "BIT")
        both("BITOP", random.choice(("AND", "or", "XOR")), "t", *random.choices("abcd", k=random.randrange(1, 5)))
        both("GET", "t")
        both("BITOP", "NOT", "t", random.choice("abcd"))
        both("GET", "t")


def test_fields_agree_with_a_real_server(both: Pair) -> None:
    random.seed(3)
    for _ in range(400):
        words: list[object] = []
        for _ in range(random.randrange(1, 5)):
            if random.random() < 0.5:
                words += ["OVERFLOW", random.choice(("WRAP", "SAT", "FAIL"))]
            signed = random.random() < 0.5
            width = random.choice((1, 5, 8, 16, 31, 33, 62, 63)) + (signed and random.random() < 0.3)
            kind = f"{'i' if signed else 'u'}{width}"
            offset = random.choice((0, 1, 7, 13, 64, "#1", "#3", 200))
            number = random.choice((0, 1, -1, 2**random.randrange(63), -(2**63), 2**63 - 1, random.randrange(1 << 20)))
            name = random.choice(("GET", "SET", "INCRBY"))
            words += [name, kind, offset] if name == "GET" else [name, kind, offset, number]
        both("BITFIELD", "f", *words)
        both("GET", "f")
    both("BITFIELD", "no", "GET", "u8", 0)
    both("EXISTS", "no")


ERRORS = [
    ("SETBIT", "k", 0, 2), ("SETBIT", "k", 0, -1), ("SETBIT", "k", 0, "x"), ("BITCOUNT", "k", 0),
    ("BITCOUNT", "k", 0, "x"),
    ("BITCOUNT", "k", 0, 1, "HEX"), ("BITCOUNT", "k", 0, 1, "BIT", 1), ("BITCOUNT", "no", 0),
    ("BITCOUNT", "no", "x", "y"),
    ("BITPOS", "k", 2), ("BITPOS", "k", "x"), ("BITPOS", "k", 1, "x"), ("BITPOS", "k", 1, 0, "x"),
    ("BITPOS", "k", 1, 0, "x", "HEX"), ("BITPOS", "k", 1, 0, 1, "BIT", 9), ("BITPOS", "no", 1, "x"),
    ("BITOP", "NAND", "t", "k"),
    ("BITOP", "NOT", "t", "k", "k"), ("BITOP", "AND", "t"), ("BITFIELD", "k", "GET"),
    ("BITFIELD", "k", "GET", "u64", 0),
    ("BITFIELD", "k", "GET", "i65", 0), ("BITFIELD", "k", "GET", "x8", 0), ("BITFIELD", "k", "GET", "u8", "#x"),
    ("BITFIELD", "k", "GET", "u8", -1), ("BITFIELD", "k", "SET", "u8", 0, "x"), ("BITFIELD", "k", "OVERFLOW", "NO"),
    ("BITFIELD", "k", "OVERFLOW"), ("BITFIELD", "k", "FLIP", "u8", 0), ("BITFIELD_RO", "k", "SET", "u8", 0, 1),
    ("BITFIELD_RO", "k", "GET", "u8", 0), ("BITFIELD", "k"), ("BITFIELD", "no"),
]  # fmt: skip


@pytest.mark.parametrize("words", ERRORS, ids=lambda words: " ".join(map(str, words)))
def test_errors_agree_with_a_real_server(both: Pair, words: tuple[object, ...]) -> None:
    both("SET", "k", "abc")
    both(*words)


def test_what_is_propagated_is_counted(raw: Connection) -> None:
    raw("CONFIG", "RESETSTAT")
    before = raw("INFO", "persistence")
    raw("SETBIT", "b", 0, 1)
    raw("SETBIT", "b", 0, 1)                 # nothing new
    raw("BITFIELD", "b", "SET", "u8", 0, 5, "INCRBY", "u8", 0, 1, "GET", "u8", 0)

    def changes(text: bytes) -> int:
        return int(text.split(b"rdb_changes_since_last_save:")[1].split(b"\r\n")[0])

    assert changes(raw("INFO", "persistence")) - changes(before) == 3


def test_the_result_of_bitop_is_raw(both: Pair) -> None:
    both("SET", "a", "12")
    both("BITOP", "AND", "b", "a")
    assert both("OBJECT", "ENCODING", "b") == b"raw"
