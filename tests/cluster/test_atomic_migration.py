"""Slots that change hands at once: CLUSTER MIGRATESLOTS among nodes of ours."""

import re
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.support.cluster import Cluster
from tests.support.every_type import contents
from tests.support.pace import wait_until
from tests.support.resp import Connection, RespError, encode
from tests.support.server import Server

HERE, THERE = 0, 1          # nodes
MORE = 500                  # keys beside those that are looked at
SLOT_0 = "{06S}"            # a key's beginning that puts it into slot 0, which is the first node's


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("moves"), masters=3, replicas=1, appendonly="yes") as made:
        for number in (3, 4, 5):
            made.wait_for_replication(number)
        yield made


@pytest.fixture
def source(cluster: Cluster) -> Iterator[Connection]:
    """The first node, which serves slots 0 to 99; no node has keys."""
    def prevent(yes: int) -> None:
        for node in cluster.alive():
            node.connect().ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", yes)

    prevent(0)
    for number in range(3):
        cluster[number].connect().ok("FLUSHALL")
    there = owner(cluster, HERE, 0)
    if there != HERE:
        all_see(cluster, 0, there)
        migrate(cluster, there, HERE, 0, 99)
        wait_for(cluster, there, "success")
    all_see(cluster, 0, HERE)
    yield cluster[HERE].connect()
    prevent(0)


def owner(cluster: Cluster, seen_by: int, slot: int) -> int:
    for first, last, master, *_ in cluster[seen_by].connect().ok("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return cluster.names.index(master[2].decode())
    raise AssertionError(f"slot {slot} is nobody's")


def expires(c: Connection) -> int:
    """As INFO counts them."""
    return int(c.ok("INFO", "keyspace").partition(b"expires=")[2].partition(b",")[0])


def migrate(cluster: Cluster, source: int, target: int, *ranges: int) -> None:
    assert cluster[source].connect()(
        "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", *ranges, "NODE", cluster.names[target]) == "OK"


def last(cluster: Cluster, number: int) -> dict[bytes, Any]:
    """The youngest migration of a node."""
    told = cluster[number].connect().ok("CLUSTER", "GETSLOTMIGRATIONS")
    return dict(zip(told[0][::2], told[0][1::2], strict=True)) if told else {b"state": b""}


def wait_for(cluster: Cluster, number: int, state: str) -> None:
    wait_until(lambda: last(cluster, number)[b"state"] == state.encode(), f"node {number} says {state}", 30)


def all_see(cluster: Cluster, slot: int, number: int) -> None:
    wait_until(lambda: all(owner(cluster, node, slot) == number for node in range(6)), "all have heard of it", 20)


def fill(c: Connection, count: int) -> dict[str, Any]:
    """Keys of every type in slot 0; how each looks."""
    commands: list[tuple[Any, ...]] = []
    for at in range(count):
        commands += [(words[0], f"{SLOT_0}{kind}{at}", *words[1:]) for kind, words in (
            ("string", ("SET", at)), ("number", ("INCRBY", at)), ("list", ("RPUSH", *range(at * 70 + 1))),
            ("set", ("SADD", *range(at * 90 + 1), "x")), ("zset", ("ZADD", 1, "a", at, "b")),
            ("hash", ("HSET", *range(2 * (at * 80 + 1)))), ("stream", ("XADD", "5-5", "a", at)),
        )]
    c.pipeline(commands)
    c.pipeline([("SET", f"{SLOT_0}more{at}", at) for at in range(MORE)])
    c.ok("PEXPIREAT", f"{SLOT_0}string0", 9_999_999_999_999)
    c.ok("XGROUP", "CREATE", f"{SLOT_0}stream0", "g", 0)
    c("XREADGROUP", "GROUP", "g", "me", "STREAMS", f"{SLOT_0}stream0", ">")
    return look(c, [words[1] for words in commands])


def look(c: Connection, names: Any) -> dict[str, Any]:
    return {name: (contents(c, name), c("PEXPIRETIME", name)) for name in names}


def test_keys_of_every_type_move_at_once(cluster, source):
    before = fill(source, 4)
    source.ok("SET", "bar", "stays")                    # of slot 5061
    migrate(cluster, HERE, THERE, 0, 99)
    wait_for(cluster, HERE, "success")
    wait_for(cluster, THERE, "success")
    all_see(cluster, 0, THERE)
    there = cluster[THERE].connect()
    assert look(there, before) == before
    assert str(source("GET", f"{SLOT_0}string1")).startswith("MOVED 0 ")
    wait_until(lambda: source.ok("DBSIZE") == 1, "the source has dropped its keys")
    assert there.ok("DBSIZE") == len(before) + MORE
    for replica, keys in ((3, 1), (4, len(before) + MORE)):
        c = cluster[replica].connect()
        wait_until(lambda c=c, keys=keys: c.ok("DBSIZE") == keys, "the replicas follow")
    c.ok("READONLY")
    assert look(c, before) == before


def test_what_arrives_is_not_seen_before(cluster, source):
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)
    before = fill(source, 2)
    source.ok("SET", f"{SLOT_0}timed", 1, "EX", 1000)
    timed = expires(source)
    migrate(cluster, HERE, THERE, 0, 99)
    wait_for(cluster, HERE, "waiting-to-pause")
    assert last(cluster, THERE)[b"state"] == b"streaming"
    source.ok("SET", f"{SLOT_0}late", 1)
    there = cluster[THERE].connect()
    there.ok("SET", "hello2", 1, "EX", 1000)            # of a slot of its own
    source.ok("DEL", f"{SLOT_0}string1")
    replica = cluster[4].connect()
    wait_until(lambda: replica.ok("DBSIZE") == 1, "its replica has its key")
    for c in (there, replica):
        assert c.ok("DBSIZE") == 1 and c.ok("KEYS", "*") == [b"hello2"] and c("RANDOMKEY") == b"hello2"
        assert c.ok("SCAN", 0, "COUNT", 1000)[1] == [b"hello2"]
        assert expires(c) == 1
    assert str(there("GET", f"{SLOT_0}late")).startswith("MOVED 0 ")
    there.ok("DEBUG", "RELOAD")
    assert there.ok("DBSIZE") == 1
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 0)
    wait_for(cluster, HERE, "success")
    assert there.ok("DBSIZE") == len(before) + MORE + 2     # of those that were looked at one more, one fewer
    assert expires(there) == timed + 1
    assert there.ok("GET", f"{SLOT_0}late") == b"1" and there("GET", f"{SLOT_0}string1") is None
    wait_until(lambda: replica.ok("DBSIZE") == len(before) + MORE + 2, "its replica shows them, too")


@pytest.mark.parametrize("heir", ["itself", "its replica"])
def test_a_source_that_dies_with_keys_left_over(tmp_path, heir):
    """It had handed the slots over, and not dropped its copy yet: who is in its place knows that, and drops it."""
    with Cluster(tmp_path, masters=3, replicas=1, appendonly="yes", appendfsync="always") as made:
        made.wait_for_replication(3)
        c = made[HERE].connect()
        fill(c, 2)
        c.ok("SET", "bar", "stays")
        migrate(made, HERE, THERE, 0, 99)
        c.ok("CLIENT", "PAUSE", 60_000, "WRITE")        # nothing is dropped meanwhile
        wait_for(made, THERE, "success")
        all_see(made, 0, THERE)
        assert c.ok("DBSIZE") == 1
        made[HERE].kill()
        if heir == "itself":
            made[HERE].start()
        else:
            made[3].connect().ok("CLUSTER", "FAILOVER", "FORCE")
        there = made[HERE if heir == "itself" else 3]
        wait_until(lambda: there.connect().ok("ROLE")[0] == b"master", "a master")
        wait_until(lambda: made.state(there)["cluster_state"] == "ok", "it serves")
        with there.connect() as left:
            assert left.ok("DBSIZE") == 1 and left.ok("GET", "bar") == b"stays"
            wait_until(lambda: set(left.ok("DEBUG", "DIGEST-VALUE", f"{SLOT_0}more1")[0]) == {"0"}, "they are dropped")
            assert "[" not in left.ok("CLUSTER", "NODES").decode()


@pytest.mark.parametrize("end", ["cancel", "flush the source", "flush the target", "cut the connection"])
def test_one_that_does_not_come_about_leaves_nothing(cluster, source, end):
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)
    before = fill(source, 2)
    there = cluster[THERE].connect()
    migrate(cluster, HERE, THERE, 0, 99)
    wait_for(cluster, HERE, "waiting-to-pause")
    if end == "cancel":
        source.ok("CLUSTER", "CANCELSLOTMIGRATIONS")
    elif end == "flush the source":
        source.ok("FLUSHALL")
    elif end == "flush the target":
        there.ok("FLUSHALL")
    else:
        there.ok("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
        there = cluster[THERE].connect()
    wait_for(cluster, HERE, "cancelled" if end == "cancel" else "failed")
    wait_for(cluster, THERE, "failed")
    assert there.ok("DBSIZE") == 0
    assert owner(cluster, THERE, 0) == HERE
    if end != "flush the source":
        assert look(source, before) == before
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 0)

    def again() -> bool:                                # until what had arrived is dropped the target refuses
        migrate(cluster, HERE, THERE, 0, 99)
        wait_until(lambda: last(cluster, HERE)[b"state"] in (b"success", b"failed"), "it ends", 20)
        return last(cluster, HERE)[b"state"] == b"success"

    wait_until(again, "the next one succeeds", 20)
    assert there.ok("DBSIZE") == (0 if end == "flush the source" else len(before) + MORE)


def test_transactions_and_scripts_follow_whole(cluster, source):
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)
    migrate(cluster, HERE, THERE, 0, 49, 50, 99)
    wait_for(cluster, HERE, "waiting-to-pause")
    other = "bar"                                       # of a slot that stays
    source.ok("MULTI")
    source.ok("INCR", f"{SLOT_0}n")
    source.ok("INCR", f"{SLOT_0}n")
    source.ok("EXEC")
    source.ok("EVAL", "#!lua flags=allow-cross-slot-keys\n redis.call('incr', KEYS[1]) redis.call('incr', 'bar')"
                      " return redis.call('rpush', KEYS[2], 1, 2)", 2, f"{SLOT_0}n", f"{SLOT_0}l")
    replies = source.pipeline([("MULTI",), ("SET", f"{SLOT_0}s", "x"), ("INCR", f"{SLOT_0}s"), ("SET", f"{SLOT_0}t", 1),
                               ("EXEC",)])              # an error inside is the source's alone
    assert isinstance(replies[-1][1], RespError)
    script = "redis.call('set', KEYS[1], 'half') return redis.call('incr', KEYS[1])"
    assert isinstance(source("EVAL", script, 1, f"{SLOT_0}u"), RespError)
    source.ok("SET", f"{SLOT_0}soon", 1, "PX", 1)
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 0)
    wait_for(cluster, HERE, "success")
    there = cluster[THERE].connect()
    assert there.ok("MGET", *(f"{SLOT_0}{name}" for name in "stu")) == [b"x", b"1", b"half"]
    assert there.ok("GET", f"{SLOT_0}n") == b"3" and there.ok("LRANGE", f"{SLOT_0}l", 0, -1) == [b"1", b"2"]
    wait_until(lambda: there("GET", f"{SLOT_0}soon") is None, "it expires there")
    assert source.ok("GET", other) == b"1"


def test_what_is_not_possible_is_said(cluster, source):
    def error(*words: Any) -> str:
        reply = source("CLUSTER", "MIGRATESLOTS", *words)
        assert isinstance(reply, RespError), reply
        return str(reply)

    names = cluster.names
    assert "wrong number of arguments" in error() and "wrong number of arguments" in error("SLOTSRANGE", 0)
    assert error("INVALID", 0, 1, "NODE") == "ERR syntax error"
    assert error("SLOTSRANGE", 16380, 16388, "NODE") == "ERR Invalid or out of range slot"
    assert error("SLOTSRANGE", 1, 0, "NODE") == "ERR Start slot number 1 is greater than end slot number 0"
    assert error("SLOTSRANGE", 0, 5, 3, 6) == "ERR Slot range 3-6 overlaps with previous range 0-5"
    assert error("SLOTSRANGE", 0, 1, 2, "NODE") == "ERR No end slot for final slot range"
    assert error("SLOTSRANGE", "a", 0, "NODE") == "ERR No slot ranges specified"
    assert error("SLOTSRANGE", 0, 16383, "NODE") == "ERR Requested slots span multiple shards"
    assert error("SLOTSRANGE", 0, 0, "NODE") == "ERR syntax error"
    assert error("SLOTSRANGE", 0, 0, "NODE", "x") == "ERR Invalid node name"
    assert error("SLOTSRANGE", 0, 0, "NODE", names[0]) == "ERR Target node can not be this node"
    assert error("SLOTSRANGE", 0, 1, "NODE", names[1], "SLOTSRANGE", 1, 2, "NODE", names[2]) == (
        "ERR Slot ranges in migrations overlap")
    assert str(source("CLUSTER", "CANCELSLOTMIGRATIONS")) == "ERR No migrations ongoing"
    for words in (("ACK",), ("TAKE", 1, 1), ("SNAPSHOT-EOF",)):
        assert str(source("CLUSTER", "SYNCSLOTS", *words)) == "ERR No slot migration comes by this connection"
    assert str(source("CLUSTER", "SYNCSLOTS", "HIDE", 0, 9)) == "ERR Only a master and a file hide slots"


@pytest.mark.parametrize(("at", "directive", "value", "why"), [
    (THERE, "requirepass", "secret", b"NOAUTH"), (THERE, "maxmemory", "1", b"OOM")])
def test_a_target_that_will_not_have_them(cluster, source, at, directive, value, why):
    before = fill(source, 2)
    there = cluster[at].connect()
    old = there.ok("CONFIG", "GET", directive)[1]
    there.ok("CONFIG", "SET", directive, value)
    try:
        migrate(cluster, HERE, THERE, 0, 99)
        wait_for(cluster, HERE, "failed")
        assert why in last(cluster, HERE)[b"message"]
        assert look(source, before) == before
        if directive == "requirepass":
            source.ok("CONFIG", "SET", "masterauth", value)
            migrate(cluster, HERE, THERE, 0, 99)
            wait_for(cluster, HERE, "success")
    finally:
        there.ok("CONFIG", "SET", directive, old)
        source.ok("CONFIG", "SET", "masterauth", "")


def test_every_word_is_answered_whatever_stands_behind_it(cluster, source):
    c = cluster[THERE].connect()
    c.ok("CLUSTER", "SYNCSLOTS", "ESTABLISH", "a" * 40, cluster.names[HERE], 0, 0)
    words: list[tuple[Any, ...]] = [("CLUSTER", "SYNCSLOTS", "ACK"), ("SET", f"{SLOT_0}a", 1), ("GET", f"{SLOT_0}a")]
    c.send_raw(b"".join(encode(*each) for each in words * 5))
    assert [c.read() for _ in range(5)] == ["OK"] * 5
    c.send_raw(encode("LPUSH", f"{SLOT_0}a", 1) + encode("CLUSTER", "SYNCSLOTS", "ACK"))
    assert str(c.read()).startswith("WRONGTYPE")            # and that was the last
    wait_for(cluster, THERE, "failed")
    assert last(cluster, THERE)[b"message"].startswith(b"A command failed: WRONGTYPE")


def test_the_replicas_of_the_target_have_the_keys_before_it_takes_the_slots(cluster, source):
    before = fill(source, 2)
    there, replica = cluster[THERE].connect(), cluster[4].connect()
    there.ok("CONFIG", "RESETSTAT")
    cluster[4].signal(signal.SIGSTOP)
    try:
        migrate(cluster, HERE, THERE, 0, 99)
        wait_until(lambda: b"errorstat_TRYAGAIN" in there.ok("INFO", "errorstats"), "it is asked, takes none")
        assert source.ok("SET", f"{SLOT_0}late", 1) == "OK"
        assert owner(cluster, HERE, 0) == owner(cluster, THERE, 0) == HERE
    finally:
        cluster[4].signal(signal.SIGCONT)
    wait_for(cluster, HERE, "success")
    wait_until(lambda: replica.ok("DBSIZE") == len(before) + MORE + 1, "the replica shows them, too")


def test_an_error_inside_a_transaction_ends_it(cluster, source):
    """The source has done it: the target would lack it, and nobody would know."""
    c, there = cluster[THERE].connect(), cluster[THERE].connect()
    c.ok("CLUSTER", "SYNCSLOTS", "ESTABLISH", "c" * 40, cluster.names[HERE], 0, 0)
    words: list[tuple[Any, ...]] = [("MULTI",), ("SET", f"{SLOT_0}a", 1), ("INCR", f"{SLOT_0}a"), ("EXEC",)]
    c.send_raw(b"".join(encode(*each) for each in [*words, ("CLUSTER", "SYNCSLOTS", "ACK")]))
    assert c.read() == "OK"
    words[2] = ("LPUSH", f"{SLOT_0}a", 1)
    c.send_raw(b"".join(encode(*each) for each in words))
    assert str(c.read()) == "ERR A command inside EXEC failed" and c.read_until_closed() == b""
    wait_for(cluster, THERE, "failed")
    assert last(cluster, THERE)[b"message"] == b"A command failed: ERR A command inside EXEC failed"
    wait_until(lambda: there.ok("DBSIZE") == 0, "nothing is left of it")


@pytest.mark.parametrize("stray", [
    ("SET", "bar", 1), ("MSET", f"{SLOT_0}a", 1, "bar", 1), ("XGROUP", "CREATE", "bar", "g", 0, "MKSTREAM"),
    ("FLUSHALL",), ("ZUNIONSTORE", f"{SLOT_0}a", 1, "bar"), ("EVAL", "return 1", 0), ("CONFIG", "SET", "maxmemory", 1),
    ("CLUSTER", "SYNCSLOTS", "HIDE", 5061, 5061), ("CLUSTER", "SYNCSLOTS", "SHOW", 0, 0),
    ("SORT",), ("XREADGROUP",), ("EVAL", "redis.call('FLUSHALL') return {err = 'flushed'}", 1, f"{SLOT_0}a"),
], ids=lambda words: words[0])
def test_nothing_comes_but_what_is_of_the_slots(cluster, source, stray):
    there, c = cluster[THERE].connect(), cluster[THERE].connect()
    mine = next(name for name in map(str, range(100)) if "MOVED" not in str(there("SET", name, "mine")))
    c.ok("CLUSTER", "SYNCSLOTS", "ESTABLISH", "b" * 40, cluster.names[HERE], 0, 0)
    c.send_raw(encode("SET", f"{SLOT_0}b", 1) + encode("CLUSTER", "SYNCSLOTS", "ACK"))
    assert c.read() == "OK"
    c.send_raw(encode(*[mine if word == "bar" else word for word in stray]))
    assert isinstance(c.read(), RespError)
    if stray[:2] == ("CLUSTER", "SYNCSLOTS"):
        c.close()
    wait_for(cluster, THERE, "failed")
    assert there.ok("GET", mine) == b"mine" and there.ok("DBSIZE") == 1 and there.ok("SCAN", 0)[1] == [mine.encode()]


def test_a_file_that_hides_what_is_no_slot(tmp_path):
    field, value = b"remus-hidden-slots", b"0-999999999999999 9-1 a-b -- 16384-16385 5-5"
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011\xfa" + bytes([len(field)]) + field + bytes([len(value)]) + value
                                        + b"\xff" + bytes(8))
    with Server(tmp_path, cluster_enabled="yes") as server:
        c = server.connect()
        c.ok("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: "cluster_state:ok" in c.ok("CLUSTER", "INFO").decode(), "it serves")
        c.ok("SET", "key", 1)
        assert c.ok("DBSIZE") == 1


def test_many_ranges_are_read_in_a_moment(cluster, source):
    """Every second slot, as two masters may share them: time grows with the ranges, not with their square."""
    words = [slot for slot in range(0, 16384, 2) for _ in "ab"]
    c = cluster[HERE].connect()
    with pytest.raises(RespError, match="Invalid name of a migration"):
        c.ok("CLUSTER", "SYNCSLOTS", "ESTABLISH", "short", cluster.names[THERE], *words)
    with pytest.raises(RespError, match="Slot range 100-101 overlaps with previous range 100-100"):
        c.ok("CLUSTER", "SYNCSLOTS", "ESTABLISH", "b" * 40, cluster.names[THERE], *words, 100, 101)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_target_that_is_killed_has_nothing_of_it(cluster, source, preamble):
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)
    before = fill(source, 2)
    target, its_replica = 2, 5
    cluster[its_replica].connect().ok("CONFIG", "SET", "cluster-replica-no-failover", "yes")
    migrate(cluster, HERE, target, 0, 99)
    wait_for(cluster, HERE, "waiting-to-pause")
    c = cluster[target].connect()
    c.ok("CONFIG", "SET", "aof-use-rdb-preamble", preamble)
    rewrites = int(cluster[target].info("persistence")["aof_rewrites"])
    c.ok("BGREWRITEAOF")
    wait_until(lambda: (found := cluster[target].info("persistence"))["aof_rewrite_in_progress"] == "0"
               and int(found["aof_rewrites"]) > rewrites, "its file is rewritten")
    cluster[target].kill()
    wait_for(cluster, HERE, "failed")
    cluster[target].start()
    cluster.wait_for_state("ok")
    c = cluster[target].connect()
    wait_until(lambda: c.ok("DBSIZE") == 0, "it shows nothing")
    assert look(source, before) == before
    assert c.ok("CLUSTER", "COUNTKEYSINSLOT", 0) == 0
    cluster[its_replica].connect().ok("CONFIG", "SET", "cluster-replica-no-failover", "no")


def test_no_client_notices(cluster, source):
    """redis-py writes while slots go there and back; every key is there in the end, once, as it was written last."""
    errors: list[Exception] = []
    counts: dict[str, int] = {}
    stop = threading.Event()

    def write(number: int) -> None:
        client = redis.RedisCluster(host="127.0.0.1", port=cluster[2].port)
        try:
            at = 0
            while not stop.is_set():
                key = f"k{number}-{at % 200}"
                counts[key] = counts.get(key, 0) + 1
                assert client.incr(key) == counts[key]
                at += 1
        except Exception as error:
            errors.append(error)
        finally:
            client.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        wait_until(lambda: len(counts) >= 300 or bool(errors), "writers are under way", 60)
        for a, b in ((HERE, THERE), (THERE, HERE)):
            migrate(cluster, a, b, 0, 2999)
            wait_until(lambda a=a: last(cluster, a)[b"state"] in (b"success", b"failed"), "it ends", 60)
            assert last(cluster, a)[b"state"] == b"success", last(cluster, a)
            all_see(cluster, 0, b)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not errors
    client = redis.RedisCluster(host="127.0.0.1", port=cluster[2].port)
    assert {key: int(client.get(key)) for key in counts} == counts
    wait_until(lambda: sum(cluster[number].connect().ok("DBSIZE") for number in range(3)) == len(counts), "each once")
    client.close()


def test_who_writes_to_other_slots_does_not_wait_for_a_hand_over(cluster, source):
    """The target stands still when it is asked to take the slots, so that the hand-over takes as long as we like."""
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)
    source.ok("SET", f"{SLOT_0}k", 1)
    source.ok("SET", f"{SLOT_0}k2", 1)
    source.ok("SET", "bar", 1)                          # of slot 5061, which stays
    migrate(cluster, HERE, THERE, 0, 99)
    wait_for(cluster, HERE, "waiting-to-pause")
    wait_until(lambda: last(cluster, THERE)[b"state"] == b"streaming", "the target has all keys")
    held = [cluster[HERE].connect() for _ in range(7)]
    sends: list[tuple[tuple[Any, ...], ...]] = [
        (("SET", f"{SLOT_0}k", 2),), (("DEL", f"{SLOT_0}k2", f"{SLOT_0}k3"),), (("LMPOP", 1, f"{SLOT_0}l", "LEFT"),),
        (("EVAL", "return redis.call('set', KEYS[1], 2)", 1, "bar"),), (("FLUSHALL",),),
        (("MULTI",), ("GET", f"{SLOT_0}k"), ("SET", f"{SLOT_0}k", 3), ("EXEC",)),
        (("MULTI",), ("SET", "bar", 5), ("EVAL", "return 1", 1, "bar"), ("EXEC",))]

    def granted() -> bool:
        cluster[THERE].signal(signal.SIGSTOP)
        source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 0)
        if any(last(cluster, HERE)[b"state"] == b"failover-granted" for _ in range(50)):
            return True
        source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)     # it owed an answer when it stopped
        cluster[THERE].signal(signal.SIGCONT)
        return False

    its_replica = cluster[4].connect()
    its_replica.ok("CONFIG", "SET", "cluster-replica-no-failover", "yes")
    try:
        wait_until(granted, "the target is asked to take the slots")
        assert source.ok("GET", f"{SLOT_0}k") == b"1" and source.ok("MGET", f"{SLOT_0}k", f"{SLOT_0}k2") == [b"1", b"1"]
        before = int(re.search(rb"fast_path_commands:(\d+)", source.ok("INFO", "debug"))[1])
        assert source.pipeline([("INCR", "bar"), ("SET", "bar", 7), ("GET", "bar")]) == [2, "OK", b"7"]
        assert int(re.search(rb"fast_path_commands:(\d+)", source.ok("INFO", "debug"))[1]) - before == 3
        assert source.ok("RPUSH", "{bar}l", 1) == 1 and source.ok("LMPOP", 1, "{bar}l", "LEFT") == [b"{bar}l", [b"1"]]
        assert source.ok("PUBLISH", "channel", "x") == 0
        assert source.pipeline([("MULTI",), ("INCR", "bar"), ("GET", "bar"), ("EXEC",)])[-1] == [8, b"8"]
        assert source("EVAL_RO", "return redis.call('get', KEYS[1])", 1, f"{SLOT_0}k") == b"1"
        for c, commands in zip(held, sends, strict=True):
            c.send_raw(b"".join(encode(*words) for words in commands))
        wait_until(lambda: b"\r\nblocked_clients:7\r\n" in source.ok("INFO", "clients"), "those wait")
        assert last(cluster, HERE)[b"state"] in (b"failover-granted", b"asking-target")
        assert source.ok("GET", f"{SLOT_0}k") == b"1" and source.ok("GET", "bar") == b"8"
    finally:
        cluster[THERE].signal(signal.SIGCONT)
        its_replica.ok("CONFIG", "SET", "cluster-replica-no-failover", "no")
    wait_until(lambda: last(cluster, HERE)[b"state"] in (b"success", b"failed"), "it is known whose they are", 30)
    ours = last(cluster, HERE)[b"state"] == b"failed"      # one that stood still for long must not believe it
    all_see(cluster, 0, HERE if ours else THERE)
    for c, commands in zip(held, sends, strict=True):
        replies = [c.read() for _ in commands]
        if SLOT_0 in str(commands) and not ours:
            assert "MOVED 0 " in str(replies)
        else:
            assert not any(isinstance(one, RespError) for one in replies), (commands, replies)


def test_a_replica_of_the_target_that_takes_over_has_nothing_of_it(cluster, source):
    """The last one: roles are others then."""
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)
    before = fill(source, 2)
    cluster.wait_for_replication(5)
    heir = cluster[5].connect()
    wait_until(lambda: heir.ok("DBSIZE") == 0, "it has heard that its master is empty")
    migrate(cluster, HERE, 2, 0, 99)
    wait_for(cluster, HERE, "waiting-to-pause")
    cluster[2].kill()
    cluster.wait_for_flag(5, "master")
    wait_for(cluster, HERE, "failed")
    wait_until(lambda: heir.ok("DBSIZE") == 0 and heir.ok("CLUSTER", "COUNTKEYSINSLOT", 0) == 0, "it shows nothing")
    assert look(source, before) == before
    source.ok("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 0)
    migrate(cluster, HERE, 5, 0, 99)
    wait_until(lambda: last(cluster, HERE)[b"state"] in (b"success", b"failed"), "it ends", 30)
    assert last(cluster, HERE)[b"state"] == b"success" and look(heir, before) == before
    assert heir.ok("DBSIZE") == len(before) + MORE
