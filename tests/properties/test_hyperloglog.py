"""HyperLogLogs: the same bytes and counts as a real redis-server's, and no byte string that does harm."""

import random

from hypothesis import given, settings, strategies as st

from server.structures import hyperloglog as hll
from server.structures.hyperloglog import CorruptHyperLogLog
from tests.support.peer import Peer

HEADER = b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80"
OPCODES = st.one_of(
    st.integers(0, 0x3F).map(lambda b: bytes([b])),
    st.integers(0x80, 0xFF).map(lambda b: bytes([b])),
    st.tuples(st.integers(0x40, 0x7F), st.integers(0, 255)).map(bytes),
)


@given(st.lists(st.binary(max_size=30), max_size=300))
def test_dense_and_sparse_agree(elements: list[bytes]) -> None:
    sparse = hll.add(None, elements, 10**6)[0]
    dense = hll.add(None, elements, 0)[0]
    assert hll.registers(sparse) == hll.registers(dense)
    assert hll.count(sparse)[0] == hll.count(dense)[0]
    assert hll.add(sparse, elements) == (sparse, 0)


@settings(max_examples=300)
@given(st.integers(0, 400), st.lists(st.integers(0, 3000), max_size=60), st.integers(0, 3000))
def test_many_at_once_are_as_one_by_one(before: int, numbers: list[int], sparse_max: int) -> None:
    """Places that were passed on the way to one are used on the way to the next, whatever is edited between them."""
    elements = [b"%d" % number for number in numbers]
    value = hll.add(None, [b"x%d" % number for number in range(before)], sparse_max)[0]
    one_by_one = value
    for element in elements:
        one_by_one = hll.add(one_by_one, [element], sparse_max)[0]
    assert hll.add(value, elements, sparse_max)[0] == one_by_one


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(OPCODES, max_size=100).map(b"".join),
        # runs that do add up, with changes
        st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=5),
    ),
    st.lists(st.binary(max_size=4), min_size=1, max_size=20),
    st.integers(0, 4000),
)
def test_hostile_bytes_are_used_or_refused(
    runs: bytes | list[tuple[int, int]], elements: list[bytes], sparse_max: int
) -> None:
    if isinstance(runs, list):
        good = bytearray(hll.add(None, (b"%d" % i for i in range(300)))[0][16:])
        for at, byte in runs:
            good[at % len(good)] = byte
        runs = bytes(good)
    value = HEADER + runs
    sound = True
    try:
        registers = hll.registers(value)
    except CorruptHyperLogLog:
        sound = False
    else:
        assert len(registers) == 16384
        assert hll.count_union([value]) == hll.count(value)[0]
        assert hll.registers(hll.merge(None, [value])) == registers
    try:
        changed, _ = hll.add(value, elements, sparse_max)
    except CorruptHyperLogLog:
        assert not sound
    else:
        if sound:
            assert hll.registers(changed) == hll.registers(hll.add(hll.to_dense(value), elements)[0])


def test_the_same_bytes_as_a_real_server(peer: Peer) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    rng = random.Random(seed)
    with peer.connect() as theirs:
        for limit in (0, 100, 3000, 12000):
            theirs.ok("FLUSHALL")
            theirs.ok("CONFIG", "SET", "hll-sparse-max-bytes", limit)
            ours: dict[str, bytes] = {}
            for step in range(120):
                key = rng.choice("abcd")
                action = rng.choice(["add"] * 6 + ["count", "union", "merge"])
                if action == "add":
                    size = rng.choice([0, 1, 3, 20, 200])
                    elements = [rng.randbytes(rng.randrange(20)) for _ in range(size)]
                    ours[key], changes = hll.add(ours.get(key), elements, limit)
                    assert theirs.ok("PFADD", key, *elements) == (changes > 0)
                elif action == "count" and key in ours:
                    cardinality, cached = hll.count(ours[key])
                    ours[key] = cached or ours[key]
                    assert theirs.ok("PFCOUNT", key) == cardinality
                elif action == "union":
                    assert theirs.ok("PFCOUNT", *"abcd") == hll.count_union(ours.values())
                elif action == "merge":
                    others = rng.sample("abcd", 2)
                    ours[key] = hll.merge(ours.get(key), [ours[o] for o in others if o in ours], limit)
                    theirs.ok("PFMERGE", key, *others)
                if key in ours:
                    assert theirs.ok("GET", key) == ours[key], (limit, step, action)
                    if hll.encoding(ours[key]) == "sparse":
                        assert theirs.ok("PFDEBUG", "DECODE", key) == hll.decode(ours[key])
            for key, value in ours.items():
                assert theirs.ok("PFDEBUG", "GETREG", key) == hll.registers(value)
        theirs.ok("CONFIG", "SET", "hll-sparse-max-bytes", 3000)
