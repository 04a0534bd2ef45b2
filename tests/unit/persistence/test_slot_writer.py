"""The keys of a slot, written while they come and go."""

import random

import pytest

from server.keyspace.database import Database, Keyspace
from server.persistence.slot_writer import SlotWriter


def commands(data: bytes) -> list[list[bytes]]:
    """RESP requests."""
    found, at = [], 0
    while at < len(data):
        line = data.index(b"\r\n", at)
        count, at = int(data[at + 1:line]), line + 2
        words = []
        for _ in range(count):
            line = data.index(b"\r\n", at)
            length, at = int(data[at + 1:line]), line + 2
            words.append(data[at:at + length])
            at += length + 2
        found.append(words)
    return found


def key(number: int) -> bytes:
    """Of slot 0."""
    return b"{06S}%d" % number


@pytest.fixture
def db() -> Database:
    return Keyspace(1, by_slot=True).databases[0]


def walk(writer: SlotWriter, between=lambda: None) -> dict[bytes, bytes]:
    """What the other side has in the end."""
    there: dict[bytes, bytes] = {}
    writer.begin(0)
    more = True
    while more:
        more = writer.step()
        for words in commands(writer.take()):
            assert words[0] == b"SET"
            there[words[1]] = words[2]
        between()
    return there


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200, 1000, 20_000])
def test_all_keys_of_a_slot(db, count):
    for number in range(count):
        db.set(key(number), b"%d" % number)
        db.set(b"elsewhere%d" % number, b"x")
    writer = SlotWriter(db)
    assert walk(writer) == {key(number): b"%d" % number for number in range(count)}
    assert writer.keys == count and writer.waiting == 0 and not writer.step()


@pytest.mark.parametrize("seed", range(8))
def test_what_stays_is_visited_whatever_comes_and_goes(db, seed):
    rng = random.Random(seed)
    stay = range(rng.randrange(1, 3000))
    come = iter(range(100_000, 1_000_000))
    for number in stay:
        db.set(key(number), b"stays")
    others = [key(next(come)) for _ in range(rng.randrange(6000))]
    for other in others:
        db.set(other, b"goes")
    grows = rng.random() < 0.5

    def between() -> None:
        if grows:
            for _ in range(rng.randrange(200)):
                db.set(key(next(come)), b"new")
        else:
            for _ in range(min(len(others), rng.randrange(400))):
                db.delete(others.pop())

    there = walk(SlotWriter(db), between)
    assert all(there.get(key(number)) == b"stays" for number in stay)


def test_an_image_of_one_key(db):
    db.set(key(1), b"a")
    db.set(key(2), b"b")
    db.set_expire(key(2), 9_999_999_999_999)
    db.set(key(3), b"c")
    db.set_expire(key(3), 1)
    writer = SlotWriter(db)
    for number in range(1, 5):
        writer.image(key(number))
    assert commands(writer.take()) == [
        [b"SET", key(1), b"a"], [b"SET", key(2), b"b"], [b"PEXPIREAT", key(2), b"9999999999999"],
        [b"UNLINK", key(3)], [b"UNLINK", key(4)]]
