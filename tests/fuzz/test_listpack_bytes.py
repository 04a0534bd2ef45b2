"""Hostile listpack bytes: validation never reads past them, and what it lets pass can be read and changed safely.

A sanitized build (REMUS_SANITIZE=address,undefined) sees every byte too far: its blocks are malloc's, of the very size.
REMUS_FUZZ_ROUNDS says how many mutations (2000); the seed is printed.
"""

import os
import random

import pytest

from server.structures.intset import IntsetProbe
from server.structures.listpack_probe import ListpackProbe
from server.structures.quicklist_probe import QuicklistProbe

ROUNDS = int(os.environ.get("REMUS_FUZZ_ROUNDS", "2000"))
SHARP = [0x00, 0x01, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xDF, 0xE0, 0xEF, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xFE, 0xFF]


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def some_listpack(chance: random.Random) -> bytes:
    probe = ListpackProbe()
    for _ in range(chance.randrange(8)):
        if chance.randrange(2):
            probe.append(chance.randrange(-(2 ** chance.randrange(1, 64)), 2 ** chance.randrange(1, 64) - 1))
        else:
            size = chance.choice([0, 1, 5, 62, 63, 64, 65, 120, 125, 126, 127, 128, 4095, 4096])
            probe.append(bytes([chance.randrange(256)]) * size)
    return probe.to_bytes()


def mutated(chance: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        kind = chance.randrange(6)
        at = chance.randrange(len(out))
        if kind < 3:
            out[at] = chance.choice(SHARP)
        elif kind == 3:
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 4 and len(out) > 8:
            del out[at : at + chance.randrange(1, 4)]
        else:
            out[at:at] = bytes(chance.choice(SHARP) for _ in range(chance.randrange(1, 4)))
    if chance.randrange(4):  # a header that tells the truth lets more through
        out[:4] = len(out).to_bytes(4, "little")
        out[-1] = 0xFF
        if chance.randrange(2):
            out[4:6] = b"\xff\xff"
    return bytes(out)


def use(data: bytes) -> None:
    """Every reader and every kind of change, on bytes that validation let pass."""
    probe = ListpackProbe(data)
    items = probe.items()
    assert items == probe.items_reversed()[::-1]
    count = len(probe)
    assert count == len(items)
    probe.repr()
    for index in range(-count, count):
        value = probe.get(index)
        text = value if isinstance(value, bytes) else b"%d" % value
        probe.get_integer_if(index)
        assert probe.compare(index, text) == (isinstance(value, int) or text == value)
    for wanted in (b"", b"12", b"\x00" * 63, b"a" * 4096, b"-1"):
        for skip in (0, 1, 2):
            probe.find(wanted, 0, skip)
    if count:
        probe.random_entries(5)
        probe.batch_delete(range(0, count, 2))
        probe.check()
    if count > 1:
        pairs = ListpackProbe(data)
        pairs.random_pair()
        pairs.random_pairs(5)
        pairs.random_pairs(3, unique=True)
        pairs.replace(1, b"new")
        pairs.delete_range(-2, 5)
        pairs.merge(ListpackProbe(data))
        pairs.check()
        as_list = QuicklistProbe.from_listpack(data, 2, 1)
        as_list.append_listpack(data)
        as_list.append_listpack(data)
        as_list.insert(1, b"x", True)
        as_list.pop(0)
        as_list.pop(1)
        as_list.check()


def test_mutated_listpacks(chance: random.Random) -> None:
    passed = 0
    for _ in range(ROUNDS):
        data = mutated(chance, some_listpack(chance))
        ListpackProbe.validate(data, deep=False)
        if ListpackProbe.validate(data):
            passed += 1
            use(data)
    assert passed > ROUNDS // 100, "the mutations are too wild to test anything"


def test_random_bytes(chance: random.Random) -> None:
    for _ in range(ROUNDS):
        body = bytes(chance.choice(SHARP) for _ in range(chance.randrange(12)))
        count = chance.choice([b"\xff\xff", b"\x01\x00", b"\x02\x00"])
        data = (len(body) + 7).to_bytes(4, "little") + count + body + b"\xff"
        if ListpackProbe.validate(data):
            use(data)


def test_every_cut_of_a_listpack_is_refused(chance: random.Random) -> None:
    data = some_listpack(chance)
    for end in range(len(data)):
        assert not ListpackProbe.validate(data[:end])


def test_mutated_intsets(chance: random.Random) -> None:
    for _ in range(ROUNDS // 4):
        probe = IntsetProbe()
        for _ in range(chance.randrange(1, 6)):
            probe.add(chance.randrange(-(2 ** chance.randrange(1, 64)), 2 ** chance.randrange(1, 64) - 1))
        data = mutated(chance, probe.to_bytes())
        if IntsetProbe.validate(data):
            again = IntsetProbe(data)
            again.add(2**62)
            again.remove(again.min())
            again.check()
