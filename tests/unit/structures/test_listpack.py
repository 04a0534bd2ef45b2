"""The listpack: its bytes, its limits, and the same bytes as a real Redis makes."""

from collections.abc import Callable
from typing import Any

import pytest

from server.structures.listpack_probe import ListpackProbe

BEFORE, AFTER, REPLACE = 0, 1, 2
EDGES = [0, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, 2147483647, 2147483648, 2**63 - 1]
INTEGERS = sorted({n for edge in EDGES for n in (edge, -edge, -edge - 1)})


def of(*values: bytes | int) -> ListpackProbe:
    probe = ListpackProbe()
    for value in values:
        assert probe.append(value)
    return probe


def test_an_empty_one_is_header_and_end_mark() -> None:
    assert ListpackProbe().to_bytes() == b"\x07\x00\x00\x00\x00\x00\xff"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"\x00\x01"),
        (127, b"\x7f\x01"),
        (128, b"\xc0\x80\x02"),
        (-1, b"\xdf\xff\x02"),
        (-4096, b"\xd0\x00\x02"),
        (4096, b"\xf1\x00\x10\x03"),
        (-4097, b"\xf1\xff\xef\x03"),
        (32768, b"\xf2\x00\x80\x00\x04"),
        (-8388609, b"\xf3\xff\xff\x7f\xff\x05"),
        (2**31, b"\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09"),
        (b"", b"\x80\x01"),
        (b"abc", b"\x83abc\x04"),
        (b"x" * 63, b"\xbf" + b"x" * 63 + b"\x40"),
        (b"x" * 64, b"\xe0\x40" + b"x" * 64 + b"\x42"),
        (b"x" * 125, b"\xe0\x7d" + b"x" * 125 + b"\x7f"),
        (b"x" * 126, b"\xe0\x7e" + b"x" * 126 + b"\x01\x80"),
        (b"x" * 4095, b"\xef\xff" + b"x" * 4095 + b"\x20\x81"),
        (b"x" * 4096, b"\xf0\x00\x10\x00\x00" + b"x" * 4096 + b"\x20\x85"),
    ],
)
def test_encodings(value: bytes | int, encoded: bytes) -> None:
    assert of(value).to_bytes()[6:-1] == encoded


@pytest.mark.parametrize("size", [126, 127, 16376, 16377, 16378, 16379, 2097145, 2097146, 2097147])
def test_backlen_edges_read_back(size: int) -> None:
    probe = of(b"first", b"y" * size, b"last")
    assert probe.items_reversed() == [b"last", b"y" * size, b"first"]
    probe.check()


@pytest.mark.parametrize("number", INTEGERS)
def test_integers_read_back_and_are_found(number: int) -> None:
    text = str(number).encode()
    probe = of(b"a", number, text, b"z")
    assert probe.items() == [b"a", number, number, b"z"]
    assert probe.items_reversed() == [b"z", number, number, b"a"]
    assert probe.get_integer_if(1) == number
    assert probe.get_integer_if(0) is None
    assert probe.find(text) == 1
    assert probe.compare(2, text)
    assert ListpackProbe.text_of(number) == text


@pytest.mark.parametrize("text", [b"", b"-", b"+1", b"01", b"-0", b"00", b" 1", b"1 ", b"1.0", b"9223372036854775808",
                                  b"-9223372036854775809", b"18446744073709551616", b"99999999999999999999", b"1a",
                                  b"184467440737095516100"])  # fmt: skip
def test_what_is_not_exactly_an_integer_stays_a_string(text: bytes) -> None:
    assert ListpackProbe.integer_of(text) is None
    assert of(text).items() == [text]


def test_insert_before_after_and_instead() -> None:
    probe = of(b"a", b"c")
    assert probe.insert(0, b"b", AFTER) == 1
    assert probe.insert(0, b"start", BEFORE) == 0
    assert probe.insert(3, 12345, REPLACE) == 3
    assert probe.insert(-1, b"end", AFTER) == 4
    assert probe.items() == [b"start", b"a", b"b", 12345, b"end"]
    probe.check()


def test_deletes() -> None:
    probe = of(*range(10))
    assert probe.delete(9) is None
    assert probe.delete(0) == 0
    assert probe.items() == list(range(1, 9))
    assert probe.delete_range(-3, 100) == 3
    assert probe.delete_range(1, 2) == 2
    assert probe.delete_range(10, 1) == 0
    assert probe.items() == [1, 4, 5]
    assert probe.delete_range_at(1, 1) == (1, 1)
    assert probe.delete_range_at(1, 5) == (1, None)
    assert probe.items() == [1]
    probe.check()


def test_batch_delete_slides_the_kept_runs_together() -> None:
    probe = of(*range(10))
    probe.batch_delete([0, 1, 4, 9])
    assert probe.items() == [2, 3, 5, 6, 7, 8]
    probe.batch_delete([])
    probe.batch_delete(range(6))
    assert probe.to_bytes() == ListpackProbe().to_bytes()


def test_merge_takes_all() -> None:
    first, second = of(b"a", 1), of(b"b", b"c" * 100)
    assert first.merge(second)
    assert first.items() == [b"a", 1, b"b", b"c" * 100]
    assert len(second) == 0
    first.check()


def test_find_skips_values() -> None:
    probe = of(b"field", b"other", b"other", b"field", 7, b"x", b"y" * 100, b"z")
    assert probe.find(b"other", 0, 1) == 2
    assert probe.find(b"other", 0, 0) == 1
    assert probe.find(b"x", 0, 1) is None
    assert probe.find(b"7", 0, 1) == 4
    assert probe.find(b"y" * 100, 2, 1) == 6
    assert probe.find(b"field", 1, 0) == 3


def test_the_count_gives_up_past_65534_and_comes_back_when_counted() -> None:
    probe = ListpackProbe(roomy=True)
    for _ in range(65536):
        probe.append(1)
    assert probe.to_bytes()[4:6] == b"\xff\xff"
    assert len(probe) == 65536
    assert probe.get(65535) == 1
    assert probe.get(-65536) == 1
    assert probe.delete_range(10, 100) == 100
    assert probe.to_bytes()[4:6] == b"\xff\xff"
    assert len(probe) == 65436
    assert probe.to_bytes()[4:6] == (65436).to_bytes(2, "little")
    probe.check()


def test_growth_past_one_gigabyte_is_refused() -> None:
    probe = of(b"abc")
    assert probe.safe_to_add(2**30 - len(probe.to_bytes()))
    assert not probe.safe_to_add(2**30 - len(probe.to_bytes()) + 1)


def test_estimate_is_what_it_would_be() -> None:
    for number in INTEGERS:
        assert ListpackProbe.estimate(number, 3) == len(of(number, number, number).to_bytes())


def test_random_pairs() -> None:
    pairs: list[tuple[bytes | int, bytes | int]] = [(b"field%d" % n, n) for n in range(20)]
    probe = ListpackProbe(seed=12345)
    for key, value in pairs:
        probe.append(key)
        probe.append(value)
    assert {probe.random_pair() for _ in range(1000)} == set(pairs)
    drawn = probe.random_pairs(1000)
    assert set(drawn) == set(pairs)
    assert drawn[:20] != sorted(drawn[:20])
    unique = probe.random_pairs(7, unique=True)
    assert len(set(unique)) == 7
    assert unique == sorted(unique, key=lambda pair: pairs.index(pair))
    assert probe.random_pairs(100, unique=True) == pairs
    assert set(probe.random_entries(2000)) == {part for pair in pairs for part in pair}
    picks = [pair for _ in range(2000) for pair in probe.random_pairs(1, unique=True)]
    assert min(picks.count(pair) for pair in pairs) > 40  # 100 expected, deviation 10


def test_repr_tells_sizes_and_bytes() -> None:
    text = of(b"hello", 5).repr().decode()
    assert text.startswith("{total bytes 16} {num entries 2}\n{\n\taddr: 0x")
    assert (
        "\tindex:  0,\n\toffset: 6,\n\thdr+entrylen+backlen:  7,\n\thdrlen:   1,\n\tbacklen:  1,\n\tpayload: 5\n"
        in text
    )
    assert "\tbytes: 85|68|65|6c|6c|6f|06|\n\t[str]hello\n}\n" in text
    assert text.endswith("{end}\n\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x07\x00\x00\x00\x00\x00",
        b"\x08\x00\x00\x00\x00\x00\xff",  # total bytes
        b"\x07\x00\x00\x00\x01\x00\xff",  # count
        b"\x07\x00\x00\x00\x00\x00\x00",  # end mark
        b"\x09\x00\x00\x00\x01\x00\x05\x02\xff",  # backlen
        b"\x09\x00\x00\x00\x01\x00\xf5\x01\xff",  # no such encoding
        b"\x09\x00\x00\x00\x01\x00\x82a\xff",  # string runs into the end
        b"\x08\x00\x00\x00\x01\x00\xe0\xff",  # cut length
        b"\x0c\x00\x00\x00\x01\x00\xf0\xff\xff\xff\xff\xff",  # length past 4 GB
        b"\x0a\x00\x00\x00\x01\x00\x05\x01\xff\xff",  # end mark before the end
        b"\x0b\x00\x00\x00\x01\x00\x81a\x00\x82\xff",  # backlen in more bytes than needed
    ],
)
def test_damaged_ones_are_refused(data: bytes) -> None:
    assert not ListpackProbe.validate(data)
    with pytest.raises(ValueError, match="not a listpack"):
        ListpackProbe(data)


def test_shallow_validation_looks_at_the_ends_only() -> None:
    assert ListpackProbe.validate(b"\x09\x00\x00\x00\x01\x00\xf5\x01\xff", deep=False)
    assert not ListpackProbe.validate(b"\x0a\x00\x00\x00\x01\x00\xf5\x01\xff", deep=False)


VALUES = [b"", b"a", b"12", b"-1", b"0", b"-0", b"300", b"70000", b"-9000000", b"3000000000", b"-3000000000",
          b"x" * 63, b"y" * 64, b"007", b"9223372036854775807", b"9223372036854775808"]  # fmt: skip


def hash_payload(connection: Any, name: str) -> bytes:
    """The listpack in a hash's DUMP payload: one type byte, a length of one or two bytes, then the bytes."""
    data: bytes = connection.ok("DUMP", name)
    assert data[0] == 16
    start = 3 if data[1] & 0xC0 == 0x40 else 2
    return data[start:-10]


@pytest.mark.peer
def test_the_same_bytes_as_a_real_hash(peer: Any) -> None:
    with peer.connect() as connection:
        connection.ok("CONFIG", "SET", "rdbcompression", "no")
        ours = ListpackProbe()
        fields = [b"f%d" % n for n in range(len(VALUES))] + VALUES
        for field, value in zip(fields, VALUES + VALUES[::-1], strict=True):
            connection.ok("HSET", "h", field, value)
            place = ours.find(field, 0, 1) if len(ours) else None
            if place is None:
                ours.append(field)
                ours.append(value)
            else:
                ours.replace(place + 1, value)
            assert hash_payload(connection, "h") == ours.to_bytes()
        for field in fields[::3]:
            connection.ok("HDEL", "h", field)
            place = ours.find(field, 0, 1)
            if place is not None:
                ours.delete_range(place, 2)
            assert hash_payload(connection, "h") == ours.to_bytes()
        connection.ok("CONFIG", "SET", "rdbcompression", "yes")


@pytest.mark.parametrize("roomy", [False, True])
def test_spare_room_changes_no_byte(roomy: bool) -> None:
    probe = ListpackProbe(roomy=roomy)
    steps: list[Callable[[], object]] = [
        lambda: [probe.append(b"value%d" % n) for n in range(40)],
        lambda: probe.insert(3, b"w" * 300, BEFORE),
        lambda: probe.replace(3, 5),
        lambda: probe.delete(10),
        lambda: probe.prepend(-70000),
        lambda: probe.shrink(),
    ]
    for step in steps:
        step()
        probe.check()
    again = ListpackProbe()
    for item in probe.items():
        again.append(item)
    assert again.to_bytes() == probe.to_bytes()
