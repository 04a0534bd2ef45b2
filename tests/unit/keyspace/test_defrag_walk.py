"""Values of every type and size are moved, at once or in pieces, and are what they were before."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from server.keyspace.database import Database, Keyspace
from server.keyspace.digest import keyspace_digest
from server.structures import memory
from server.structures.defrag_plan import moved
from server.types.hash import Hash
from server.types.list import TAIL, List
from server.types.set import Set
from server.types.sorted_set import SortedSet
from server.types.stream import Stream
from tests.support.moving import Mover

SIZES = (1, 3, 100, 1000, 4000)


def fill(db: Database) -> None:
    """Keys of all types, small ones and such as are done in pieces."""
    for size in SIZES:
        db.set(b"inline:%d" % size, b"v" * min(size, 150))
        db.set(b"blob:%d" % size, b"v" * 300 * size)
        db.set(b"int:%d" % size, b"%d" % size)
        db.set_expire(b"int:%d" % size, 1 << 50)
        db.lookup_write(b"list:%d" % size, List, create=True).push(
            [random.Random(n).randbytes(n % 90) for n in range(size)], TAIL)
        hash_ = db.lookup_write(b"hash:%d" % size, Hash, create=True)
        numbers = db.lookup_write(b"intset:%d" % size, Set, create=True)
        members = db.lookup_write(b"set:%d" % size, Set, create=True)
        for n in range(size):
            hash_.set(b"field:%d" % n, b"v" * (n % 400))
            numbers.add(b"%d" % n)
            members.add(b"member:%d" % n)
        db.lookup_write(b"zset:%d" % size, SortedSet, create=True).fill(
            sorted(((b"member:%d" % n, float(n % 70)) for n in range(size)), key=lambda pair: pair[::-1]))
        fill_stream(db.lookup_write(b"stream:%d" % size, Stream, create=True), size)


def fill_stream(view: Any, size: int) -> None:
    """Some entries, read by groups of several consumers."""
    for n in range(size):
        view.append((n + 1, 0), [b"field", b"value:%d" % n, b"other", b"x" * (n % 50)])
    for name in (b"", b"one", b"two"):
        group = view.create_group(name, (0, 0), 0)
        for consumer in (b"a", b"b", b"", b"idle"):
            group.create_consumer(consumer, 1)
        for n in range(0, size, 2):
            consumer = group.consumer((b"a", b"b", b"")[n % 3] if n % 9 else b"a")
            group.add_pending((n + 1, 0), consumer, 5, n)


def groups_of(view: Any) -> list[Any]:
    """All that groups know."""
    ends = ((0, 0), (1 << 60, 0), 1 << 30)
    return [
        (group.name, group.pending_count, group.pending_range(None, *ends),
         [(one.name, one.pending_count, group.pending_range(one, *ends)) for one in group.consumers()])
        for group in view.groups()
    ]


def everything(db: Database) -> list[Any]:
    """What can be read of the keys above, each in more than one way."""
    found: list[Any] = [keyspace_digest(db.keyspace)]
    for size in SIZES:
        hash_, set_ = db.view(b"hash:%d" % size), db.view(b"set:%d" % size)
        found.append([hash_.get(b"field:%d" % n) for n in range(size)])
        assert all(b"member:%d" % n in set_ for n in range(size))
        list_ = db.view(b"list:%d" % size)
        found.append([list_.index(-n) for n in range(1, size + 1, 7)])
        zset, stream = db.view(b"zset:%d" % size), db.view(b"stream:%d" % size)
        found.append([zset.rank(b"member:%d" % n) for n in range(size)])
        found.append(groups_of(stream))
        zset.check()
        stream.check()
    memory.check()
    return found


@pytest.fixture
def db() -> Iterator[Database]:
    before = memory.used()
    db = Keyspace(1).databases[0]
    fill(db)
    yield db
    db.flush(False)
    assert memory.used() - before < 65_536 + 4096, "the buffer that nodes of streams are opened in, once"


@pytest.mark.parametrize("most", [1, 7, 50, 1000, 1 << 30])
def test_all_is_moved_and_all_is_there(db: Database, most: int) -> None:
    before = everything(db)            # nodes of lists may come back unpacked: what is used is looked at afterwards
    used, moves = memory.used(), moved()[0]
    Mover(db.keyspace).everything(most)
    assert memory.used() == used
    assert moved()[0] - moves > 2 * sum(SIZES)
    assert everything(db) == before
