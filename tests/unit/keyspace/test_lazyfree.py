"""Large values are freed in slices, between which the loop serves: each type, and whole databases."""

from collections.abc import Callable
from typing import Any

import pytest

from server.keyspace.database import Database, Keyspace
from server.structures import memory
from server.types.hash import Hash
from server.types.list import TAIL, List
from server.types.set import Set
from server.types.sorted_set import SortedSet
from server.types.stream import Stream
from tests.support.resp import Connection
from tests.support.server import Server, wait_until

pytestmark = pytest.mark.usefixtures("exact_memory")
COUNT = 20_000


def fill_set(db: Database, key: bytes) -> None:
    view = db.lookup_write(key, Set, create=True)
    for n in range(COUNT):
        view.add(b"member:%d" % n)


def fill_hash(db: Database, key: bytes) -> None:
    view = db.lookup_write(key, Hash, create=True)
    for n in range(COUNT):
        view.set(b"field:%d" % n, b"v" * 300)


def fill_sorted_set(db: Database, key: bytes) -> None:
    db.lookup_write(key, SortedSet, create=True).fill([(b"member:%d" % n, float(n)) for n in range(COUNT)])


def fill_list(db: Database, key: bytes) -> None:
    db.lookup_write(key, List, create=True).push([b"%d" % n * 80 for n in range(COUNT)], TAIL)


def fill_stream(db: Database, key: bytes) -> None:
    view = db.lookup_write(key, Stream, create=True)
    for n in range(COUNT):
        view.append((n + 1, 0), [b"field", b"%d" % n * 40])


KINDS = [fill_set, fill_hash, fill_sorted_set, fill_list, fill_stream]


@pytest.fixture
def db() -> Database:
    return Keyspace(1).databases[0]


def slices(db: Database) -> int:
    """Run the queue dry in the shortest slices there are; memory falls with each. Returns how many it took."""
    count = 0
    while True:
        before = memory.used()
        more = db.keyspace.lazyfree.run(0)
        count += 1
        assert memory.used() <= before
        if not more:
            return count


@pytest.mark.parametrize("fill", KINDS)
def test_a_large_value_goes_in_slices(db: Database, fill: Callable[[Database, bytes], None]) -> None:
    before = memory.used()
    fill(db, b"k")
    full = memory.used() - before
    assert db.unlink(b"k")
    assert not db.exists(b"k")
    assert db.keyspace.lazyfree.pending == 1
    assert memory.used() - before > full * 0.9, "hardly anything is freed at once"
    assert slices(db) > 5
    assert (db.keyspace.lazyfree.pending, db.keyspace.lazyfree.freed) == (0, 1)
    assert memory.used() - before < 100_000, "but for a buffer that streams keep"


def test_a_database_goes_in_slices_and_its_large_values_too(db: Database) -> None:
    before = memory.used()
    for fill in KINDS:
        fill(db, fill.__name__.encode())
    for n in range(1000):
        db.set(b"key:%d" % n, b"value")
    assert db.flush(True) == 1000 + len(KINDS)
    assert db.keyspace.lazyfree.pending == 1000 + len(KINDS)
    assert slices(db) > 1000 // 32 + 5 * len(KINDS)
    assert db.keyspace.lazyfree.pending == 0
    assert memory.used() - before < 100_000


LARGE = [b"member:%d" % n for n in range(100_000)]


@pytest.mark.parametrize("how", ["UNLINK k", "SET k x", "RENAME other k", "FLUSHALL ASYNC", "PEXPIREAT k 1"])
def test_commands_are_served_while_a_value_goes(raw: Connection, server: Server, configure: Any, how: str) -> None:
    configure("lazyfree-lazy-server-del", "yes")
    configure("lazyfree-lazy-expire", "yes")
    raw.ok("CONFIG", "RESETSTAT")
    for first in range(0, len(LARGE), 1000):
        raw.ok("SADD", "k", *LARGE[first : first + 1000])
    raw.ok("SET", "other", "x")
    raw.ok("MULTI")
    raw.ok(*how.split())
    raw.ok("INFO", "memory")
    assert b"lazyfree_pending_objects:0\r" not in raw.ok("EXEC")[1]
    raw.ok("SET", "served", "meanwhile")
    wait_until(lambda: server.info()["lazyfree_pending_objects"] == "0", "the value to be freed")
    assert server.info()["lazyfreed_objects"] != "0"
