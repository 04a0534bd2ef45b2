"""Hostile DUMP payloads: a mutated one is refused, or gives a value that can be read, changed, written and freed.

The readers of the types check no bounds, so everything rests on what RESTORE lets pass. Seeds are payloads of every
type and encoding, historic ones too; most are not compressed, so that what is inside gets mutated. A sanitized build
(REMUS_SANITIZE=address,undefined) sees every byte too far. REMUS_FUZZ_ROUNDS says how many mutations (2000); the seed
is printed.
"""

import os
import random
import struct
from typing import Any

import pytest

from server.keyspace.database import Keyspace
from server.keyspace.digest import value_digest
from server.persistence.object_reader import BadPayload, read_payload
from server.persistence.object_writer import payload
from server.structures import memory
from server.types.hash import Hash
from server.types.list import TAIL, List
from server.types.set import Set
from server.types.sorted_set import SortedSet
from server.types.stream import Stream

ROUNDS = int(os.environ.get("REMUS_FUZZ_ROUNDS", "2000"))
SHARP = [0x00, 0x01, 0x02, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xC3, 0xE0, 0xF0, 0xF1, 0xF4, 0xF5, 0xFE, 0xFF]
KEY = b"key"
FOOTER = bytes(10)


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def word(chance: random.Random) -> bytes:
    if chance.randrange(3) == 0:
        return b"%d" % chance.randrange(-(2 ** chance.randrange(1, 63)), 2 ** chance.randrange(1, 63))
    return bytes(chance.choices(b"abc\0", k=chance.choice((0, 1, 2, 5, 20, 63, 64, 70, 200))))


def fill(db: Any, chance: random.Random, kind: type, size: int) -> None:
    """A value of this type under KEY."""
    view = db.lookup_write(KEY, kind, True)
    if kind is List:
        view.push([word(chance) for _ in range(size)], TAIL)
    elif kind is Set:
        members = [b"%d" % chance.randrange(10**9) for _ in range(size)] if chance.randrange(2) else \
            [word(chance) for _ in range(size)]
        filled = read_payload(bytes([2]) + length(len(set(members))) + b"".join(map(string, set(members))) + FOOTER)
        db.store(KEY, filled)
    elif kind is Hash:
        for _ in range(size):
            view.set(word(chance), word(chance))
    elif kind is SortedSet:
        for _ in range(size):
            view.add(chance.choice((1.0, -1.5, 1e300, float("inf"), chance.random() * 1000)), word(chance))
    else:
        fill_stream(view, chance, size)


def fill_stream(view: Any, chance: random.Random, size: int) -> None:
    for i in range(size):
        view.append((1000 + i, i % 3), [b"a", word(chance), b"b" if i % 3 else b"c", word(chance)])
    for i in range(0, size - 1, 4):
        view.delete([(1000 + i, i % 3)])
    for name in (b"g1", b"g2")[:chance.randrange(3)]:
        group = view.create_group(name, (1000 + size, 0), size)
        for person in (b"alice", b"bob")[:chance.randrange(3)]:
            consumer = group.create_consumer(person, 1700000000000)
            for i in range(chance.randrange(4)):
                if group.pending((1000 + i, ord(person[:1]))) is None:
                    group.add_pending((1000 + i, ord(person[:1])), consumer, 1700000000000, 1)


def length(n: int) -> bytes:
    return bytes([n]) if n < 64 else struct.pack(">BI", 0x80, n)


def string(data: bytes) -> bytes:
    return length(len(data)) + data


def historic(chance: random.Random) -> bytes:
    """A ziplist or a zipmap, or something that holds them."""
    kind = chance.choice((9, 10, 12, 13, 14))
    words = [word(chance)[:60] for _ in range(chance.choice((2, 4, 8)))]
    if kind == 9:
        keys = [b"%d" % at + key for at, key in enumerate(words[::2])]
        pairs = b"".join(bytes([len(k)]) + k + bytes([len(v), 0]) + v for k, v in zip(keys, words[1::2], strict=True))
        return bytes([9]) + string(bytes([len(words) // 2]) + pairs + b"\xff")
    entries, last = b"", 0
    for at, text in enumerate(words):
        text = b"%d-" % at + text[:50]
        number = chance.choice((b"\xf5", b"\xfe\x80", b"\xc0\x01\x02", b"\xf0\x01\x02\x03", b"\xe0" + bytes(8)))
        entry = bytes([last]) + (number if at % 2 else bytes([len(text)]) + text)
        entries += entry
        last = len(entry)
    block = struct.pack("<IIH", 11 + len(entries), 10 + len(entries) - last, len(words)) + entries + b"\xff"
    return bytes([kind]) + (b"\x01" if kind == 14 else b"") + string(block)


def some_payload(chance: random.Random, db: Any) -> bytes:
    """The payload of a good value, without its footer."""
    if chance.randrange(4) == 0:
        return historic(chance)
    kind = chance.choice((List, Set, Hash, SortedSet, Stream, Stream))
    fill(db, chance, kind, chance.choice((1, 3, 10, 10, 60, 200)))
    text = payload(db, KEY, chance.choice((9, 10, 11, 11)), chance.randrange(6) == 0)
    db.delete(KEY)
    assert text is not None
    return text[:-10]


def mutated(chance: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(out)) if chance.randrange(3) else chance.randrange(min(len(out), 40))
        what = chance.randrange(7)
        if what < 3:
            out[at] = chance.choice(SHARP) if what else chance.randrange(256)
        elif what == 3:
            out[at] = (out[at] + chance.choice((-1, 1))) & 255
        elif what == 4:
            del out[at:at + chance.choice((1, 1, 4, 30))]
        elif what == 5:
            out[at:at] = out[at:at + chance.choice((1, 4, 30))]
        else:
            out[0] = chance.randrange(23)
        if not out:
            return b"\0"
    return bytes(out)


def use(db: Any, chance: random.Random) -> None:
    """Read everything, write it as a payload, copy it, change it, delete it."""
    value_digest(db, KEY)
    view = db.view(KEY)
    view.encoding_name()
    db.memory_usage(KEY)
    text = payload(db, KEY, chance.choice((9, 10, 11)), bool(chance.randrange(2)))
    assert text is not None
    again = read_payload(text)
    assert len(again) == len(view)
    db.put(b"copy", db.duplicate(KEY))
    value_digest(db, b"copy")
    change(db, db.lookup_write(b"copy", type(view)), chance)
    assert payload(db, b"copy", 11, True) is not None
    if chance.randrange(2):
        db.delete(b"copy")
    else:
        db.unlink(b"copy")
        while db.keyspace.lazyfree.run(1000):
            pass


def change(db: Any, view: Any, chance: random.Random) -> None:
    """What commands do to a value, so that its encoding changes under way."""
    if isinstance(view, List):
        view.insert(view.items()[0], b"new", True)
        view.replace(-1, b"x" * 100)
        view.push([word(chance) for _ in range(20)], TAIL)
        view.remove(b"new", 0)
        view.delete_range(0, 3)
        view.push([b"last"], TAIL)
        view.pop(TAIL)
        view.push([b"last"], TAIL)
    elif isinstance(view, Set):
        for member in view.members()[::2]:
            view.remove(member)
        for _ in range(20):
            view.add(word(chance))
    elif isinstance(view, Hash):
        for field, _ in view.items()[::2]:
            view.delete(field)
        for _ in range(20):
            view.set(word(chance), word(chance))
    elif isinstance(view, SortedSet):
        for _ in range(20):
            view.add(chance.random(), word(chance))
        view.check()
        for member, _ in view.items()[::2]:
            view.remove(member)
        view.rank_range(0, -1)
    else:
        change_stream(view, chance)


def change_stream(view: Any, chance: random.Random) -> None:
    entries = view.items()
    for number, _ in entries[::3]:
        view.delete([number])
    for group in view.groups():
        for consumer in group.consumers():
            pending = group.pending_range(consumer, (0, 0), (2**64 - 1, 2**64 - 1), 10)
            assert isinstance(pending, list)
        group.remove_consumer(b"alice")
    last = view.last_id
    if last < (2**64 - 1, 0):
        view.append((last[0] + 1, 0), [b"a", word(chance)])
    view.trim(1, 2, False, 0)


def test_mutated_payloads(chance: random.Random) -> None:
    """Most are refused; the others are as good as any. Neither leaves a byte behind, read in part or deleted."""
    db = Keyspace(1).databases[0]
    good = None
    accepted = 0
    for round_ in range(ROUNDS):
        if good is None or round_ % 10 == 0:
            good = some_payload(chance, db)
            read_payload(good + FOOTER)
        bad = mutated(chance, good)
        before = memory.used()
        try:
            value = read_payload(bad + FOOTER)
        except BadPayload:
            assert memory.used() <= before
            continue
        if isinstance(value, bytes):
            continue
        accepted += 1
        db.store(KEY, value)
        use(db, chance)
        db.delete(KEY)
        value = None
        assert memory.used() <= before
    assert accepted > ROUNDS // 50


def test_random_bytes(chance: random.Random) -> None:
    """Type bytes followed by noise."""
    for _ in range(ROUNDS):
        noise = bytes([chance.randrange(24)]) + bytes(chance.choices(SHARP, k=chance.randrange(40)))
        try:
            read_payload(noise + FOOTER)
        except BadPayload:
            pass
