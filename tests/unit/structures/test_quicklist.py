"""The quicklist: its nodes and limits, compression, giants, and the same nodes as a real Redis makes."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.structures import memory
from server.structures.listpack_probe import ListpackProbe
from server.structures.lzf import decompress
from server.structures.quicklist_probe import QuicklistProbe, set_packed_threshold
from tests.support.peer import Peer, require_peer
from tests.support.server import Process

HEAD, TAIL = 0, 1


def of(values: list[bytes], fill: int = -2, compress: int = 0) -> QuicklistProbe:
    probe = QuicklistProbe(fill, compress)
    probe.push_many(values, TAIL)
    return probe


def numbered(count: int) -> list[bytes]:
    return [b"element:%d" % n for n in range(count)]


@pytest.fixture
def small_giants() -> Iterator[int]:
    """Elements of 100 bytes and more get nodes of their own."""
    assert set_packed_threshold(100)
    yield 100
    assert set_packed_threshold(0)


def sizes(probe: QuicklistProbe) -> list[int]:
    return [len(data) for _, _, data in probe.nodes()]


def counts(probe: QuicklistProbe) -> list[int]:
    return [int.from_bytes(data[4:6], "little") if kind == "packed" else 1 for kind, _, data in probe.nodes()]


@pytest.mark.parametrize(
    ("fill", "limit"), [(-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536), (-9, 65536)]
)
@pytest.mark.parametrize("end", [HEAD, TAIL])
def test_nodes_fill_up_to_their_bytes(fill: int, limit: int, end: int) -> None:
    probe = QuicklistProbe(fill)
    probe.push_many(numbered(15000), end)
    full = sizes(probe)[1:-1]
    assert full
    assert all(limit - 30 <= size <= limit for size in full)
    assert probe.memory() < sum(sizes(probe)) + limit + 60 * len(full)
    probe.check()


@pytest.mark.parametrize(("fill", "most"), [(0, 1), (1, 1), (3, 3), (500, 500)])
def test_nodes_fill_up_to_their_count(fill: int, most: int) -> None:
    probe = of(numbered(1200), fill)
    assert set(counts(probe)[:-1]) == {most}
    probe.check()


def test_a_count_is_bounded_by_8_kb_too() -> None:
    probe = of([b"x" * 3000] * 9, 100)
    assert set(counts(probe)) == {2, 1}
    assert counts(of([b"x" * 20000] * 3, 100)) == [1, 1, 1]


@pytest.mark.parametrize("end", [HEAD, TAIL])
def test_a_queue_keeps_its_order_and_little_memory(end: int) -> None:
    probe = of(numbered(5000))
    assert [probe.pop(HEAD) for _ in range(4990)] == numbered(5000)[:4990]
    probe.check()
    assert probe.memory() < 2000
    for value in numbered(100000):
        probe.push(value, end)
        assert probe.pop(1 - end) is not None
    assert len(probe) == 10
    probe.check()
    assert probe.memory() < 9000
    while len(probe):
        probe.pop(end)
    assert probe.pop(end) is None
    assert probe.nodes() == []
    probe.check()


def test_integers_and_long_elements_at_both_ends() -> None:
    values = [b"12", b"-5", b"", b"a" * 63, b"b" * 64, b"9223372036854775807", b"c" * 5000, b"d" * 20000, b"007"]
    for end in (HEAD, TAIL):
        probe = QuicklistProbe()
        probe.push_many(values, end)
        probe.check()
        assert probe.items() == (values if end == TAIL else values[::-1])
        assert [probe.pop(end) for _ in values] == values[::-1]


def test_index_and_walks_from_anywhere() -> None:
    values = numbered(2000)
    probe = of(values)
    for index in (0, 1, 999, 1000, 1999, -1, -2, -1000, -2000):
        assert probe.get(index) == values[index]
        place = index % 2000
        assert probe.items_at(index) == values[place:]
        assert probe.items_at(index, TAIL) == values[: place + 1][::-1]
    for outside in (2000, -2001, 2**62, -(2**63)):
        assert probe.get(outside) is None
        assert probe.items_at(outside) is None


def test_insert_splits_a_full_node_and_merges_what_fits() -> None:
    probe = of(numbered(8), fill=4)
    probe.insert(1, b"new", True)
    assert probe.items() == [*numbered(2), b"new", *numbered(8)[2:]]
    assert counts(probe) == [2, 3, 4]
    probe.insert(4, b"edge", True)  # behind the last of the middle node, which has room
    assert counts(probe) == [2, 4, 4]
    probe.insert(5, b"full", True)  # it is full now and so is the next one
    assert counts(probe) == [2, 4, 1, 4]
    probe.check()


def test_replace_grows_a_node_past_its_limit_as_redis_does() -> None:
    probe = of([b"x" * 100] * 50)
    assert probe.replace(-1, b"y" * 9000)
    assert not probe.replace(50, b"")
    assert len(probe.nodes()) == 1
    assert probe.get(49) == b"y" * 9000
    probe.check()


def test_deleting_ranges() -> None:
    values = numbered(3000)
    probe = of(values)
    for start, count in [(0, 10), (-5, 100), (100, 1), (500, 1200), (-900, 3), (0, 0), (5000, 1), (7, 2**62)]:
        place = start if start >= 0 else len(values) + start
        done = probe.delete_range(start, count)
        assert done == (count > 0 and place < len(values))
        del values[place : place + count]
        assert probe.items() == values
        probe.check()


@pytest.mark.parametrize("direction", [HEAD, TAIL])
@pytest.mark.parametrize("compress", [0, 1])
def test_deleting_while_walking(direction: int, compress: int) -> None:
    values = [b"odd" if n % 2 else b"even:%d" % n for n in range(4000)]
    probe = of(values, compress=compress)
    assert probe.delete_equal(b"odd", 700, direction) == 700
    order = values if direction == HEAD else values[::-1]
    gone = 0
    left = []
    for value in order:
        if value == b"odd" and gone < 700:
            gone += 1
        else:
            left.append(value)
    assert probe.items(direction) == left
    assert probe.delete_equal(b"odd", 0, direction) == 1300
    probe.check()


def test_holes_are_given_back() -> None:
    probe = of([b"stays" if n % 10 == 0 else b"goes" for n in range(20000)])
    full = sum(sizes(probe))
    assert probe.delete_equal(b"goes") == 18000
    assert probe.memory() < full // 5
    for place in range(0, 2000, 100):
        probe.replace(place, b"l" * 3000)
    full = probe.memory()
    for place in range(0, 2000, 100):
        probe.replace(place, b"short")
    assert probe.memory() < full // 3
    probe.check()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_interior_nodes_are_compressed(depth: int) -> None:
    values = numbered(6000)
    probe = of(values, compress=depth)
    packed = [compressed for _, compressed, _ in probe.nodes()]
    assert not any(packed[:depth] + packed[-depth:])
    assert all(packed[depth:-depth])
    assert probe.memory() < sum(sizes(probe)) * (0.5 + 0.15 * depth)
    assert probe.items() == values
    assert probe.items(TAIL) == values[::-1]
    assert probe.get(3000) == values[3000]
    probe.check()
    assert [compressed for _, compressed, _ in probe.nodes()] == packed
    assert probe.copy().nodes() == probe.nodes()
    probe.replace(3000, b"new")
    probe.insert(3000, b"newer", False)
    probe.check()
    for end in (HEAD, TAIL):
        for _ in range(2500):
            probe.pop(end)
        probe.check()


# --- nodes that are packed away: lists without list-compress-depth


def packed_away(probe: QuicklistProbe) -> list[bool]:
    return [compressed for _, compressed, _ in probe.nodes()]


def unlike(count: int) -> list[bytes]:
    chance = random.Random(3)
    return [chance.randbytes(20) for _ in range(count)]


@pytest.mark.parametrize("end", [HEAD, TAIL])
def test_nodes_that_pushes_left_are_packed_away(end: int) -> None:
    probe = QuicklistProbe()
    probe.push_many(numbered(2000), end)
    last = packed_away(probe)[:: 1 if end == TAIL else -1]
    assert last == [True] * (len(last) - 1) + [False]
    assert probe.memory() < sum(sizes(probe)) * 0.6
    assert b"LZF" not in probe.repr(True)
    probe.check()


def test_what_does_not_gain_stays_as_it_is() -> None:
    assert not any(packed_away(of(unlike(2000))))
    assert not any(packed_away(of(numbered(2000), fill=10))), "nodes of some hundred bytes are not worth it"


def test_the_first_walk_opens_and_the_second_unpacks() -> None:
    values = numbered(2000)
    probe = of(values)
    before = packed_away(probe)
    assert probe.items() == values
    assert packed_away(probe) == before
    assert probe.get(-2000) == values[0]
    assert packed_away(probe) == [False, *before[1:]]
    assert probe.items(TAIL) == values[::-1]
    assert not any(packed_away(probe))
    probe.check()
    probe.push_many(values, TAIL)
    assert packed_away(probe)[: len(before) - 1] == [False] * (len(before) - 1), "what came back stays"


def test_pops_and_pushes_at_a_packed_end() -> None:
    values = numbered(3000)
    probe = of(values)
    assert packed_away(probe)[0]
    assert [probe.pop(HEAD) for _ in range(1500)] == values[:1500]
    probe.check()
    probe.push(b"new", HEAD)
    assert probe.items() == [b"new", *values[1500:]]
    assert [probe.pop(TAIL) for _ in range(1501)] == [*values[:1499:-1], b"new"]
    assert probe.nodes() == []


@pytest.mark.parametrize("end", [HEAD, TAIL])
def test_a_queue_packs_nothing_away_once_something_came_back(end: int) -> None:
    values, other = numbered(4000), TAIL if end == HEAD else HEAD
    probe = QuicklistProbe()
    probe.push_many(values, end)
    assert any(packed_away(probe))
    taken = [probe.pop(other)]
    for value in values * 3:
        probe.push(value, end)
        taken.append(probe.pop(other))
    assert taken == (values * 4)[: len(taken)]
    assert not any(packed_away(probe))
    probe.check()


def test_a_short_push_at_a_packed_end_goes_into_the_node_as_it_would() -> None:
    values = [b"v" * 40] * 194 + [b"v" * 90] * 2  # the last but one leaves a little room in the first node
    packed, plain = of(values), of(values, compress=1)
    for probe in (packed, plain):
        for end in (HEAD, TAIL):
            probe.push(b"1", end)
    assert packed_away(packed)[0] is False
    assert [data for _, _, data in packed.nodes()] == [data for _, _, data in plain.nodes()]


def test_changes_while_a_walk_reads_a_packed_node() -> None:
    values = numbered(3000)
    probe = of(values)
    assert probe.delete_equal(values[700]) == 1
    assert probe.insert_beside(values[10], b"new", True)
    assert probe.replace(1500, b"newer")
    assert probe.delete_range(2000, 500)
    values[11:11] = [b"new"]
    del values[701]
    values[1500] = b"newer"
    del values[2000:2500]
    probe.check()
    assert probe.items() == values


def test_listpacks_that_come_in_are_packed_away_and_taken_whole() -> None:
    values = numbered(400)
    data = of(values).nodes()[0][2]
    probe = QuicklistProbe.from_listpack(data)
    probe.append_listpack(data)
    assert packed_away(probe) == [True, False]
    assert packed_away(probe.copy()) == [True, False]
    assert probe.delete_range(400, 400)
    assert probe.take_listpack() == data


def test_giants_have_nodes_of_their_own(small_giants: int) -> None:
    giant = b"g" * small_giants
    probe = of([b"a", giant, b"b", b"c", giant])
    assert [kind for kind, _, _ in probe.nodes()] == ["packed", "plain", "packed", "plain"]
    probe.insert(2, giant, True)  # between b and c
    assert probe.items() == [b"a", giant, b"b", giant, b"c", giant]
    assert counts(probe) == [1] * 6
    probe.replace(1, b"small")
    assert counts(probe) == [1, 2, 1, 1, 1]  # it went to the node behind
    probe.replace(2, giant + b"!")
    assert probe.items() == [b"a", b"small", giant + b"!", giant, b"c", giant]
    probe.replace(3, giant * 3)
    probe.replace(4, giant * 2)
    assert probe.delete_equal(giant) == 1
    probe.check()
    assert probe.items(TAIL) == [giant * 2, giant * 3, giant + b"!", b"small", b"a"]
    assert probe.pop(TAIL) == giant * 2
    assert probe.take_listpack() is None
    probe.check()


def test_the_threshold_stays_below_4_gb() -> None:
    assert not set_packed_threshold(2**32)
    assert set_packed_threshold(0)


def test_listpacks_in_and_out() -> None:
    probe = of(numbered(5))
    for _ in range(2):
        probe.pop(HEAD)
    data = probe.take_listpack()
    assert data is not None
    assert len(probe) == 0
    again = QuicklistProbe.from_listpack(data)
    assert again.items() == numbered(5)[2:]
    again.check()
    again.append_listpack(data)
    assert counts(again) == [3, 3]
    assert again.take_listpack() is None
    assert probe.take_listpack() == b"\x07\0\0\0\0\0\xff"
    assert QuicklistProbe.from_listpack(b"\x07\0\0\0\0\0\xff").nodes() == []


def test_freed_in_steps() -> None:
    probe = of(numbered(1000), 10)
    assert probe.free_in_steps(30) == 4
    assert len(probe) == 0


def test_repr() -> None:
    text = of([b"a", b"b", b"c"], 2).repr(True)
    assert text.startswith(
        b"{count : 3}\n{len : 2}\n{fill : 2}\n{compress : 0}\n{bookmark_count : 0}\n{quicklist node(0)\n"
    )
    assert b"{container : PACKED, encoding: RAW, size: 13, count: 2, recompress: 0, attempted_compress: 0}\n" in text


@pytest.mark.usefixtures("exact_memory")
@pytest.mark.parametrize(("fill", "compress"), [(-2, 0), (3, 1), (-1, 2)])
def test_every_block_goes_back(fill: int, compress: int, small_giants: int) -> None:
    chance = random.Random(fill)
    before = memory.used()
    probe = QuicklistProbe(fill, compress)
    for n in range(600):
        probe.push(b"v" * chance.randrange(2 * small_giants), chance.randrange(2))
        place = chance.randrange(len(probe))
        if n % 3 == 0:
            probe.insert(place, b"i" * chance.randrange(2 * small_giants), bool(chance.randrange(2)))
        elif n % 5 == 0:
            probe.replace(place, b"r" * chance.randrange(2 * small_giants))
        elif n % 7 == 0:
            probe.delete_range(place, 5)
        elif n % 11 == 0:
            probe.pop(chance.randrange(2))
        elif n % 97 == 0:
            probe = probe.copy()
    probe.check()
    assert memory.used() >= before + probe.memory() // 2
    if compress == 1:
        probe.free_in_steps(10)
    del probe
    assert memory.used() == before


# --- the same nodes as a real one


def length_at(data: bytes, at: int) -> tuple[int, int]:
    kind = data[at] >> 6
    if kind == 0:
        return data[at] & 0x3F, at + 1
    if kind == 1:
        return (data[at] & 0x3F) << 8 | data[at + 1], at + 2
    assert data[at] == 0x80
    return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5


def real_nodes(data: bytes) -> list[tuple[str, bytes]]:
    """The nodes in a list's DUMP payload, unpacked."""
    assert data[0] == 18
    count, at = length_at(data, 1)
    out = []
    for _ in range(count):
        container, at = length_at(data, at)
        if data[at] == 0xC3:
            packed, at = length_at(data, at + 1)
            size, at = length_at(data, at)
            node = decompress(data[at : at + packed], size)
            at += packed
        else:
            size, at = length_at(data, at)
            node = data[at : at + size]
            at += size
        assert node is not None
        out.append(("plain" if container == 1 else "packed", node))
    assert at == len(data) - 10
    return out


# fill, compress, packed threshold
SHAPES = [(1, 0, 0), (2, 0, 0), (5, 1, 0), (16, 2, 0), (-1, 0, 0), (-1, 1, 0), (-2, 2, 0), (4, 0, 100), (-1, 1, 100)]


@pytest.fixture(scope="module")
def debug_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    require_peer()
    with Peer(tmp_path_factory.mktemp("peer"), enable_debug_command=True, rdbcompression=False) as peer:
        yield peer


@pytest.mark.peer
@pytest.mark.parametrize(("fill", "compress", "threshold"), SHAPES)
def test_the_same_nodes_as_a_real_list(debug_peer: Any, fill: int, compress: int, threshold: int) -> None:
    if (fill < 0 or threshold) and debug_peer.version < (7, 2):
        pytest.skip("7.0 reckons the bytes of an element and places giants differently")
    seed = random.randrange(2**32)
    print("seed", seed)
    with debug_peer.connect() as connection:
        connection.ok("FLUSHALL")
        connection.ok("CONFIG", "SET", "list-max-listpack-size", fill, "list-compress-depth", compress)
        connection.ok("DEBUG", "QUICKLIST-PACKED-THRESHOLD", threshold)
        set_packed_threshold(threshold)
        try:
            play(connection, TypedList(fill, compress), random.Random(seed))
        finally:
            set_packed_threshold(0)


class TypedList:
    """A list as 7.2's list type keeps it: a bare listpack while it fits one node, else a quicklist."""

    def __init__(self, fill: int, compress: int) -> None:
        self.fill, self.compress = fill, compress
        self.list = QuicklistProbe(fill, compress)
        self.small = True

    def exceeds(self, size: int, count: int, share: int = 1) -> bool:
        if self.fill >= 0:
            return size > 8192 and share == 1 or count > max(self.fill, 1) // share
        return size > (2048 << -self.fill) // share

    def grows_by(self, value: bytes) -> None:
        nodes = self.list.nodes()
        size = len(nodes[0][2]) if nodes else 7
        if self.small and self.exceeds(size + len(value), len(self.list) + 1):
            self.small = False

    def shrank(self) -> None:
        nodes = self.list.nodes()
        if len(nodes) == 1 and nodes[0][0] == "packed" and not self.exceeds(len(nodes[0][2]), len(self.list), 2):
            self.small = True

    def edit(self, change: Callable[[ListpackProbe], object]) -> None:
        listpack = ListpackProbe(self.list.take_listpack())
        change(listpack)
        self.list = QuicklistProbe.from_listpack(listpack.to_bytes(), self.fill, self.compress)

    def push(self, value: bytes, end: int) -> None:
        self.grows_by(value)
        if self.small:
            self.edit(lambda listpack: listpack.append(value) if end else listpack.prepend(value))
        else:
            self.list.push(value, end)

    def insert(self, index: int, value: bytes, after: bool) -> None:
        self.grows_by(value)
        if self.small:
            self.edit(lambda listpack: listpack.insert(index, value, 1 if after else 0))
        else:
            assert self.list.insert(index, value, after)

    def replace(self, index: int, value: bytes) -> None:
        self.grows_by(value)
        if self.small:
            self.edit(lambda listpack: listpack.replace(index, value))
        else:
            assert self.list.replace(index, value)
            self.shrank()


def play(connection: Any, ours: TypedList, chance: random.Random) -> None:
    """The same random changes there and here; after each batch the nodes must be the same."""
    made = 0

    def value() -> bytes:
        nonlocal made
        made += 1
        size = chance.choice([1, 5, 20, 20, 60, 64, 300])
        return chance.choice([b"%d" % chance.randrange(-(10**6), 10**6), b"%d:" % made + b"v" * size])

    for _ in range(60):
        for _ in range(chance.randrange(1, 40)):
            step = chance.randrange(12)
            length = len(ours.list)
            index = chance.randrange(-length - 1, length + 1)
            old = ours.list.get(index)
            new = value()
            if step < 5 or length < 10:
                end = chance.randrange(2)
                connection.ok("RPUSH" if end else "LPUSH", "l", new)
                ours.push(new, end)
            elif step < 7:
                end = chance.randrange(2)
                assert connection.ok("RPOP" if end else "LPOP", "l") == ours.list.pop(end)
                ours.shrank()
            elif step < 9 and old is not None:
                after = bool(chance.randrange(2))
                connection.ok("LINSERT", "l", "AFTER" if after else "BEFORE", old, new)
                ours.insert(ours.list.items().index(old), new, after)
            elif step == 9 and old is not None:
                connection.ok("LSET", "l", index, new)
                ours.replace(index, new)
            elif step == 10 and old is not None:
                connection.ok("LREM", "l", 1, old)
                assert ours.list.delete_equal(old, 1) == 1
                ours.shrank()
            elif chance.randrange(20) == 0:
                left, right = chance.randrange(length // 4), chance.randrange(length // 4)
                connection.ok("LTRIM", "l", left, -right - 1)
                ours.list.delete_range(0, left)
                ours.list.delete_range(-right, right)
                ours.shrank()
        ours.list.check()
        assert real_nodes(connection.ok("DUMP", "l")) == [(kind, data) for kind, _, data in ours.list.nodes()]
        if connection.ok("INFO", "server").find(b"redis_version:7.0") < 0:
            assert connection.ok("OBJECT", "ENCODING", "l") == (b"listpack" if ours.small else b"quicklist")
