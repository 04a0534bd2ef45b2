"""What scripts call takes the fast path that a client's command takes, and by the same rules as the long way."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.differential import Pair
from tests.support.following import follow, in_step
from tests.support.resp import Connection, RespError
from tests.support.server import Process, Server

SET_UP: list[tuple[Any, ...]] = [
    ("SET", "s", "v"), ("RPUSH", "l", *range(5)), ("HSET", "h", "f", 1), ("SADD", "st", 1, 2), ("ZADD", "z", 1, "m"),
    ("XADD", "x", "1-1", "a", "b"), ("XGROUP", "CREATE", "x", "g", 0), ("PFADD", "p", "a"), ("PFADD", "p2", "b"),
]
CALLS: list[tuple[Any, ...]] = [
    ("GET", "s"), ("HSET", "h", "f", 2), ("PUBLISH", "news", "hi"), ("SPUBLISH", "news", "hi"), ("PFADD", "p", "c"),
    ("PFCOUNT", "p", "p2"), ("PFMERGE", "p", "p2"), ("OBJECT", "ENCODING", "h"), ("object", "refcount", "s"),
    ("MEMORY", "USAGE", "s"), ("XINFO", "STREAM", "x"), ("XINFO", "GROUPS", "x"),
    ("XGROUP", "CREATECONSUMER", "x", "g", "c"),
    ("XTRIM", "x", "MAXLEN", "~", 10), ("XTRIM", "x", "MINID", "~", 1),
    ("XADD", "x", "MAXLEN", "~", 10, "5-1", "a", "b"),
]
NOT_FOR_SCRIPTS: list[tuple[Any, ...]] = [
    ("CLIENT", "ID"), ("CLIENT", "INFO"), ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "x"), ("ACL", "LIST"),
    ("CONFIG", "GET", "maxmemory"), ("ACL", "WHOAMI"), ("AUTH", "x"), ("HELLO", 3), ("SUBSCRIBE", "c"),
    ("MULTI",), ("WATCH", "s"), ("SCRIPT", "EXISTS", "x"), ("FUNCTION", "STATS"), ("LATENCY", "LATEST"),
    ("CLIENT", "TRACKING", "on"), ("UNSUBSCRIBE",), ("RESET",), ("DEBUG", "JMAP"), ("CLIENT", "NONE"),
]
CALL = "return redis.call(unpack(ARGV))"


def name(words: tuple[Any, ...]) -> str:
    return " ".join(map(str, words))


@pytest.fixture
def filled(raw: Connection) -> Connection:
    for words in SET_UP:
        raw(*words)
    return raw


@pytest.mark.parametrize("words", CALLS, ids=name)
def test_it_takes_the_fast_path(server: Server, filled: Connection, words: tuple[Any, ...]) -> None:
    def fast_commands() -> int:
        return int(server.info("debug")["fast_path_commands"])

    filled("EVAL", CALL, 0, "PING")
    before = fast_commands()
    filled("PING")
    between = fast_commands()
    filled("EVAL", CALL, 0, *words)
    assert fast_commands() - between == between - before + 1


@pytest.mark.parametrize("words", [*CALLS, *NOT_FOR_SCRIPTS, ("OBJECT", "NONE", "s"), ("OBJECT",), ("XINFO", "STREAM"),
                                   ("MEMORY", "USAGE", "none"), ("PUBLISH", "news")], ids=name)
@pytest.mark.parametrize("read_only", [False, True], ids=["EVAL", "EVAL_RO"])
def test_it_answers_as_redis_does(both: Pair, words: tuple[Any, ...], read_only: bool) -> None:
    for each in SET_UP:
        both(*each)
    script = f"#!lua{' flags=no-writes' if read_only else ''}\nlocal r = redis.pcall(unpack(ARGV)) " \
             "return type(r) == 'table' and (r.err or #r) or r"
    if words[:1] != ("MEMORY",) and words[1:2] != ("NONE",):
        both("EVAL_RO" if read_only else "EVAL", script, 0, *words)


def test_messages_reach_listeners_and_replicas(new_server: Callable[..., Process]) -> None:
    master, replica = new_server(appendonly=True), new_server()
    follow(replica, master)
    here, there = master.connect(), replica.connect()
    for c in (here, there):
        c("SUBSCRIBE", "news")
    c = master.connect()
    script = ("redis.call('SET', 'a', 1) local n = redis.call('PUBLISH', 'news', ARGV[1]) "
              "redis.call('SET', 'b', n) return n")
    for n in range(3):
        assert c("EVAL", script, 0, n) == 1
        assert here.read() == there.read() == [b"message", b"news", b"%d" % n]
    in_step(master, replica)
    assert replica.connect()("MGET", "a", "b") == [b"1", b"1"]
    master.restart()
    assert master.connect()("MGET", "a", "b") == [b"1", b"1"]


def test_its_own_message_comes_after_the_reply(raw3: Connection) -> None:
    raw3.send("SUBSCRIBE", "news")
    assert raw3.read() == [b"subscribe", b"news", 1]
    raw3.send("EVAL", "redis.call('PUBLISH', 'news', 'x') return redis.call('PUBLISH', 'news', 'y')", 0)
    assert [raw3.read() for _ in range(3)] == [1, [b"message", b"news", b"x"], [b"message", b"news", b"y"]]


def test_a_user_may_not_more_in_a_script(raw: Connection, another: Callable[..., Connection]) -> None:
    raw("ACL", "SETUSER", "bob", "on", "nopass", "~s*", "&good", "+eval", "+object|encoding", "+publish", "+pfadd")
    raw("SET", "s", "v")
    bob = another()
    bob("AUTH", "bob", "x")
    assert bob("EVAL", CALL, 0, "OBJECT", "ENCODING", "s") == b"embstr"
    assert bob("EVAL", CALL, 0, "PUBLISH", "good", "x") == 0
    for words in (("OBJECT", "FREQ", "s"), ("OBJECT", "ENCODING", "other"), ("PUBLISH", "bad", "x"),
                  ("PFADD", "other", "x")):
        reply = bob("EVAL", CALL, 0, *words)
        assert isinstance(reply, RespError)
        assert "ACL failure in script" in reply.text
