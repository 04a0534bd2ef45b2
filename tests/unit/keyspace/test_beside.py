"""A keyspace that is filled aside and takes the place of another, as a full sync does."""

import gc

from server.keyspace.database import Keyspace
from server.structures import memory


def test_keys_change_hands_and_nothing_stays() -> None:
    ours = Keyspace(2)
    ours.lfu = True
    first, second = ours.databases
    first.set(b"old", b"1")
    second.set(b"both", b"old" * 1000)
    gc.collect()
    before = memory.used()
    for round_ in range(3):
        theirs = ours.beside()
        assert theirs.lfu and len(theirs.databases) == 2
        theirs.databases[1].set(b"both", b"new" * 1000)
        ours.take_over(theirs)
        assert ours.databases == [first, second], "clients stay with their databases"
        assert (first.get(b"old"), second.get(b"both")) == (None, b"new" * 1000)
        ours.discard(theirs)
        del theirs
        while ours.lazyfree.run(1000):
            pass
        assert gc.collect() == 0, "it formed no cycle"
        assert round_ == 0 or memory.used() <= before
