"""HyperLogLogs by examples: bytes, promotion to dense, cached counts, and values that clients broke."""

import pytest

from server.structures import hyperloglog as hll
from server.structures.hyperloglog import CorruptHyperLogLog

EMPTY = b"HYLL\x01\x00\x00\x00" + bytes(8) + b"\x7f\xff"
HEADER = EMPTY[:15] + b"\x80"


def filled(count: int, sparse_max: int = 3000) -> bytes:
    return hll.add(None, (b"element:%d" % i for i in range(count)), sparse_max)[0]


def test_a_new_one_is_sparse_and_counts_as_a_change() -> None:
    assert hll.add(None, []) == (HEADER + EMPTY[16:], 1)
    assert hll.add(EMPTY, []) == (EMPTY, 0)
    assert hll.count(EMPTY) == (0, None)
    assert hll.decode(EMPTY) == b"Z:16384"
    assert hll.encoding(EMPTY) == "sparse"


def test_known_bytes() -> None:
    value, changes = hll.add(None, [b"a", b"b", b"c"])
    assert changes == 4
    assert hll.add(value, [b"a", b"b", b"c"]) == (value, 0)
    assert hll.count(value)[0] == 3
    assert sum(1 for register in hll.registers(value) if register) == 3
    assert value[15] & 0x80


def test_the_count_is_cached_until_the_next_change() -> None:
    value = filled(100)
    cardinality, cached = hll.count(value)
    assert cached is not None
    assert hll.count(cached) == (cardinality, None)
    assert int.from_bytes(cached[8:16], "little") == cardinality
    changed, changes = hll.add(cached, [b"one more"])
    assert changes == 1
    assert changed[15] & 0x80


@pytest.mark.parametrize("count", [1, 10, 100, 1000, 10_000, 100_000])
def test_the_estimate_is_near(count: int) -> None:
    assert hll.count(filled(count))[0] == pytest.approx(count, rel=0.05, abs=1)


def test_it_becomes_dense_when_it_outgrows_the_limit() -> None:
    assert hll.encoding(filled(300)) == "sparse"
    assert hll.encoding(filled(300, sparse_max=100)) == "dense"
    assert hll.encoding(filled(5000)) == "dense"
    assert len(filled(5000)) == 12304
    assert hll.registers(filled(300)) == hll.registers(filled(300, sparse_max=0))
    assert hll.count(hll.to_dense(filled(300)))[0] == hll.count(filled(300))[0]


def test_a_long_run_of_zeros_needs_the_dense_encoding() -> None:
    """A sparse run holds values up to 32; only chance (1 in 2^32) brings a higher one, so a dense source does here."""
    dense = bytearray(hll.to_dense(EMPTY))
    dense[16] = 40
    assert hll.registers(hll.merge(None, [bytes(dense)]))[0] == 40


def test_merging_takes_the_higher_register() -> None:
    a = hll.add(None, (b"a:%d" % i for i in range(500)))[0]
    b = hll.add(None, (b"b:%d" % i for i in range(5000)))[0]
    merged = hll.merge(a, [b])
    assert hll.encoding(merged) == "dense"
    assert hll.registers(merged) == [max(pair) for pair in zip(hll.registers(a), hll.registers(b))]
    assert hll.count(merged)[0] == hll.count_union([a, b])
    assert hll.merge(None, []) == EMPTY[:15] + b"\x80" + EMPTY[16:]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"HYLL",
        b"HYLL\x01" + bytes(10),
        b"hyll" + EMPTY[4:],
        b"HYLL\x02" + EMPTY[5:],
        b"HYLL\x00" + EMPTY[5:],
        b"HYLL\x00" + bytes(12300),
        b"HYLL\x00" + bytes(12298),
    ],
)
def test_what_is_no_hyperloglog(value: bytes) -> None:
    assert not hll.is_valid(value)
    with pytest.raises(TypeError):
        hll.add(value, [b"x"])


@pytest.mark.parametrize(
    "runs",
    [
        b"",
        b"\x7f",  # an XZERO cut off
        b"\x7f\xfe",  # one register too few
        b"\x7f\xff\x00",  # one too many
        b"\x7f\xff\x83",
        b"\x7f\xffhello",
        b"\x7f\xfe\x83",  # a run over the end
        b"\x40\x00" * 40000,  # more registers than there are
        b"\x7f\xff" * 200000,  # sums that overflow an int
        b"\x80" * 16383,
        b"\x80" * 16383 + b"\x7f",
    ],
)
def test_broken_runs_are_found(runs: bytes) -> None:
    value = HEADER + runs
    assert hll.is_valid(value)
    for use in (hll.count, hll.to_dense, hll.registers, lambda v: hll.count_union([v]), lambda v: hll.merge(None, [v])):
        with pytest.raises(CorruptHyperLogLog):
            use(value)
    for i in range(50):
        try:
            hll.add(value, [b"%d" % i])
        except CorruptHyperLogLog:
            continue


def test_adding_where_no_run_covers_the_register() -> None:
    for runs in (b"", b"\x7f", b"\x00", b"\x40\x00"):
        with pytest.raises(CorruptHyperLogLog):
            hll.add(HEADER + runs, (b"%d" % i for i in range(50)))


def test_dense_registers_of_any_bits_are_counted() -> None:
    for byte in (0x00, 0x55, 0xFF):
        value = b"HYLL\x00" + bytes(10) + b"\x80" + bytes([byte]) * 12288
        assert hll.count(value)[0] >= 0
        assert len(hll.registers(value)) == 16384
        hll.add(value, [b"a", b"b"])


def test_the_self_test_is_content() -> None:
    assert hll.selftest(elements=100_000) is None
