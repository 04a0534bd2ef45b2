"""Streams against a plain model: entries, deletions, trimming, ranges, groups and what is pending in them."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from server.keyspace.database import Keyspace
from server.registry.reply_writer import encode_reply
from server.types import stream as stream_type, stream_id
from server.types.stream import MAXLEN, MINID, Stream
from tests.support.moving import Mover

MOST = 2**64 - 1
KEY = b"k"
TEXTS = st.one_of(st.sampled_from([b"", b"f", b"field", b"12", b"-7", b"x" * 63, b"x" * 64, b"y" * 300]),
                  st.binary(max_size=12))
FIELDS = st.sampled_from([(b"f",), (b"f", b"g"), (b"g", b"f"), (b"5",)])
STEPS = st.one_of(st.integers(1, 3), st.sampled_from([127, 128, 4096, 2**32]))
NAMES = st.sampled_from([b"a", b"ab", b"b", b"", b"z" * 70])
NOW = 1_700_000_000_000


def decoded(reply: Any) -> Any:
    """What a client gets of a reply that writes itself."""
    return read(encode_reply(reply, 2))[0]


def read(wire: bytes) -> tuple[Any, bytes]:
    line, rest = wire.split(b"\r\n", 1)
    size = int(line[1:])
    if line[:1] == b"*":
        if size < 0:
            return None, rest
        items = []
        for _ in range(size):
            item, rest = read(rest)
            items.append(item)
        return items, rest
    assert line[:1] == b"$"
    return rest[:size], rest[size + 2:]


def shown(id: tuple[int, int], pairs: list[bytes] | None) -> list[Any]:
    return [stream_id.text(id), pairs]


class StreamMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.db: Any = Keyspace(1).databases[0]
        self.mover = Mover(self.db.keyspace)
        self.stream = self.db.lookup_write(KEY, Stream, create=True)
        self.model: dict[tuple[int, int], list[bytes]] = {}
        self.last = (0, 0)
        self.added = 0
        self.max_deleted = (0, 0)
        self.pending: dict[tuple[int, int], tuple[bytes, int]] = {}        # of group "g": owner, deliveries
        self.read = (0, 0)

    @initialize(entries=st.sampled_from([0, 3, 10, 100, 200]), size=st.sampled_from([0, 60, 500, 4096]))
    def limits(self, entries: int, size: int) -> None:
        stream_type.set_limits(SimpleNamespace(stream_node_max_entries=entries, stream_node_max_bytes=size))
        self.stream.create_group(b"g", (0, 0), 0)
        assert self.stream.create_group(b"g", (0, 0), 0) is None

    def teardown(self) -> None:
        stream_type.set_limits(SimpleNamespace(stream_node_max_entries=100, stream_node_max_bytes=4096))

    def add(self, id: tuple[int, int], pairs: list[bytes]) -> None:
        self.stream.append(id, pairs)
        self.model[id] = pairs
        self.last = id
        self.added += 1

    def some_id(self, where: float) -> tuple[int, int]:
        ids = list(self.model)
        return ids[int(where * len(ids))] if ids else (int(where * 10), 0)

    # ---- entries
    @rule(fields=FIELDS, values=st.lists(TEXTS, min_size=2, max_size=2), ms=st.booleans(), step=STEPS)
    def append(self, fields: tuple[bytes, ...], values: list[bytes], ms: bool, step: int) -> None:
        id = (self.last[0] + step, 0) if ms else (self.last[0], self.last[1] + step)
        self.add(id, [word for pair in zip(fields, values, strict=False) for word in pair])

    @rule(count=st.integers(1, 250), fields=FIELDS, ms=st.booleans())
    def append_many(self, count: int, fields: tuple[bytes, ...], ms: bool) -> None:
        for i in range(count):
            id = (self.last[0] + 1, i % 3) if ms else (self.last[0], self.last[1] + 1)
            self.add(id, [word for field in fields for word in (field, b"value:%d" % i)])

    @rule(wheres=st.lists(st.floats(0, 1, exclude_max=True), max_size=30), missing=st.tuples(STEPS, STEPS))
    def delete(self, wheres: list[float], missing: tuple[int, int]) -> None:
        ids = [self.some_id(where) for where in wheres] + [missing]
        there = {id for id in ids if id in self.model}
        assert self.stream.delete(ids) == len(there)
        for id in there:
            del self.model[id]
            self.max_deleted = max(self.max_deleted, id)

    @rule(where=st.floats(0, 1, exclude_max=True), count=st.integers(1, 120))
    def delete_neighbours(self, where: float, count: int) -> None:
        ids = list(self.model)
        at = int(where * len(ids))
        assert self.stream.delete(ids[at:at + count]) == len(ids[at:at + count])
        for id in ids[at:at + count]:
            del self.model[id]
            self.max_deleted = max(self.max_deleted, id)

    @rule(where=st.floats(0, 1), approx=st.booleans(), limit=st.sampled_from([0, 1, 50]))
    def trim_to_length(self, where: float, approx: bool, limit: int) -> None:
        length = int(where * len(self.model))
        limit = limit if approx else 0
        gone = self.stream.trim(MAXLEN, length, approx, limit)
        assert gone <= len(self.model) - length if approx else gone == len(self.model) - length
        assert not limit or gone <= limit
        self.forget_first(gone)

    @rule(where=st.floats(0, 1, exclude_max=True), approx=st.booleans())
    def trim_to_id(self, where: float, approx: bool) -> None:
        id = self.some_id(where)
        below = sum(1 for other in self.model if other < id)
        gone = self.stream.trim(MINID, id, approx, 0)
        assert gone <= below if approx else gone == below
        self.forget_first(gone)

    def forget_first(self, count: int) -> None:
        for id in list(self.model)[:count]:
            del self.model[id]

    # ---- reading
    @rule(a=st.floats(0, 1, exclude_max=True), b=st.floats(0, 1, exclude_max=True), count=st.integers(0, 20),
          reverse=st.booleans())
    def ranges(self, a: float, b: float, count: int, reverse: bool) -> None:
        start, end = self.some_id(a), self.some_id(b)
        expected = [shown(id, pairs) for id, pairs in self.model.items() if start <= id <= end]
        if reverse:
            expected.reverse()
        assert decoded(self.stream.range(start, end, count, reverse)) == expected[:count or None]

    @rule(where=st.floats(0, 1, exclude_max=True))
    def one(self, where: float) -> None:
        id = self.some_id(where)
        assert self.stream.has(id) == (id in self.model)
        reply = self.stream.entries_reply([id], bare=True)
        alone = shown(id, self.model[id]) if id in self.model else None
        assert (decoded(reply) if reply is not None else None) == alone
        several = self.stream.entries_reply([id, id])
        assert (decoded(several) if several is not None else None) == (alone and [alone, alone])

    # ---- the group
    def consumer(self, name: bytes) -> Any:
        group = self.stream.group(b"g")
        assert group is not None
        return group, group.consumer(name) or group.create_consumer(name, NOW)

    @rule(name=NAMES, count=st.integers(1, 40), pending=st.booleans())
    def read_new(self, name: bytes, count: int, pending: bool) -> None:
        group, consumer = self.consumer(name)
        new = [id for id in self.model if id > self.read][:count]
        reply, ids = group.read_new(consumer, count, pending, NOW)
        assert decoded(reply) == [shown(id, self.model[id]) for id in new]
        assert ids == [stream_id.text(id) for id in new]
        if new:
            self.read = new[-1]
        if pending:
            self.pending |= dict.fromkeys(new, (name, 1))

    @rule(name=NAMES, count=st.integers(0, 5))
    def read_history(self, name: bytes, count: int) -> None:
        group, consumer = self.consumer(name)
        mine = sorted(id for id, (owner, _) in self.pending.items() if owner == name)[:count or None]
        reply = group.read_history(consumer, (0, 0), count, NOW, 2)
        assert decoded(reply) == [shown(id, self.model.get(id)) for id in mine]
        for id in mine:
            if id in self.model:
                self.pending[id] = (name, self.pending[id][1] + 1)

    @rule(where=st.floats(0, 1, exclude_max=True), name=NAMES)
    def read_again_from(self, where: float, name: bytes) -> None:
        group, _ = self.consumer(name)
        group.last_id = self.read = self.some_id(where)

    @rule(where=st.floats(0, 1, exclude_max=True), count=st.integers(0, 10))
    def acknowledge(self, where: float, count: int) -> None:
        ids = sorted(self.pending)
        at = int(where * len(ids))
        group = self.stream.group(b"g")
        assert group.acknowledge([*ids[at:at + count], (9, 9)]) == len({*ids[at:at + count], (9, 9)} & set(ids))
        for id in {*ids[at:at + count], (9, 9)} & set(ids):
            del self.pending[id]

    @precondition(lambda self: self.pending)
    @rule(where=st.floats(0, 1, exclude_max=True), name=NAMES, deliveries=st.integers(0, 5))
    def claim(self, where: float, name: bytes, deliveries: int) -> None:
        id = sorted(self.pending)[int(where * len(self.pending))]
        group, consumer = self.consumer(name)
        entry = group.pending(id)
        assert (entry.id, entry.owner, entry.deliveries) == (id, *self.pending[id])
        entry.claim(consumer, NOW + 1, deliveries)
        self.pending[id] = (name, deliveries)

    @rule(name=NAMES)
    def forget_consumer(self, name: bytes) -> None:
        group = self.stream.group(b"g")
        mine = [id for id, (owner, _) in self.pending.items() if owner == name]
        known = group.consumer(name) is not None
        assert group.remove_consumer(name) == (len(mine) if known else None)
        for id in mine:
            del self.pending[id]

    @rule(most=st.integers(1, 6))
    def move(self, most: int) -> None:
        """As active defragmentation does, a piece at a time."""
        self.mover.piece(most)
        self.stream = self.db.view(KEY)

    # ---- always
    @invariant()
    def equal(self) -> None:
        stream = self.stream
        stream.check()
        assert len(stream) == len(self.model)
        assert stream.items() == list(self.model.items())
        assert (stream.last_id, stream.entries_added, stream.max_deleted_id) == (self.last, self.added,
                                                                                 self.max_deleted)
        assert stream.first_id == next(iter(self.model), (0, 0))
        assert stream.edge(False) == (next(reversed(self.model)) if self.model else None)
        if group := stream.group(b"g"):
            rows = group.pending_range(None, (0, 0), (MOST, MOST), -1)
            assert [(id, owner, deliveries) for id, owner, _, deliveries in rows] == [
                (stream_id.text(id), *self.pending[id]) for id in sorted(self.pending)]
            assert group.pending_count == len(self.pending)
            names = [consumer.name for consumer in group.consumers()]
            assert names == sorted(names)


TestStream = StreamMachine.TestCase
TestStream.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("word, id", [
    (b"0-0", (0, 0)), (b"1-2", (1, 2)), (b"5", (5, 0)), (b"007-08", (7, 8)), (b" 3-4", (3, 4)), (b"+3", (3, 0)),
    (b"%d-%d" % (MOST, MOST), (MOST, MOST)), (b"%d" % (MOST + 1), None), (b"", None), (b"-", None), (b"+", None),
    (b"1-", None), (b"-1", None), (b"1-*", None), (b"1-2-3", None), (b"x", None), (b"1" * 200, None),
    (b"1-2\0x", (1, 2)),
])
def test_ids_as_written(word: bytes, id: tuple[int, int] | None) -> None:
    assert stream_id.parse(word) == id


def test_ids_next_to_each_other() -> None:
    for id in [(0, 0), (0, MOST), (5, 7), (5, MOST), (MOST, 0)]:
        after = stream_id.following(id)
        assert after is not None and after > id and stream_id.preceding(after) == id
    assert stream_id.following((MOST, MOST)) is None
    assert stream_id.preceding((0, 0)) is None
