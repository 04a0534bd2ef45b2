"""HOTKEYS as Redis 8.6 has it, and the hot keys that are always told: INFO hotkeys."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.resp import Connection, RespError
from tests.support.server import Server, wait_until


@pytest.fixture
def hot(new_server: Callable[..., Server]) -> Iterator[Connection]:
    yield new_server(hot_keys_sample=1).connect()


def got(c: Connection) -> dict[str, Any]:
    [flat] = c.ok("HOTKEYS", "GET")
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def figures(pairs: list[Any]) -> dict[bytes, int]:
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def test_fields_of_each_metric(hot: Connection) -> None:
    shared = {"tracking-active", "sample-ratio", "selected-slots", "all-commands-all-slots-us",
              "net-bytes-all-commands-all-slots", "collection-start-time-unix-ms",
              "collection-duration-ms"}  # fmt: skip
    own = {"CPU": {"total-cpu-time-user-ms", "total-cpu-time-sys-ms", "by-cpu-time-us"},
           "NET": {"total-net-bytes", "by-net-bytes"}}  # fmt: skip
    for metrics in (["CPU"], ["NET"], ["CPU", "NET"]):
        hot.ok("HOTKEYS", "START", "METRICS", len(metrics), *metrics)
        hot.ok("SET", "k", "v")
        fields = got(hot)
        assert set(fields) == shared.union(*(own[name] for name in metrics))
        assert fields["tracking-active"] == 1 and fields["sample-ratio"] == 1
        assert fields["selected-slots"] == [[0, 16383]]
        assert abs(fields["collection-start-time-unix-ms"] / 1000 - time.time()) < 60
        hot.ok("HOTKEYS", "STOP")
        assert got(hot)["tracking-active"] == 0
        hot.ok("HOTKEYS", "RESET")
        assert hot("HOTKEYS", "GET") is None


def test_resp3_is_an_array_of_one_map(hot: Connection) -> None:
    hot.ok("HELLO", 3)
    hot.ok("HOTKEYS", "START", "METRICS", 1, "NET")
    [fields] = hot.ok("HOTKEYS", "GET")
    assert isinstance(fields, dict) and fields[b"by-net-bytes"] == []


def test_bytes_are_those_of_request_and_reply(hot: Connection) -> None:
    hot.ok("HOTKEYS", "START", "METRICS", 1, "NET")
    hot.ok("SET", "k", "v" * 100)  # *3 $3 SET $1 k $100 v...: 4 + 9 + 7 + 108, +OK: 5
    assert figures(got(hot)["by-net-bytes"]) == {b"k": 133}
    hot.ok("GET", "k")  # 4 + 9 + 7, and 108
    fields = got(hot)
    assert figures(fields["by-net-bytes"]) == {b"k": 133 + 128} and fields["total-net-bytes"] == 261
    assert fields["net-bytes-all-commands-all-slots"] == 261


def test_keys_of_every_kind_of_command(hot: Connection) -> None:
    """Fast paths, the way through Python, ranges, steps, counts, keywords, subcommands, scripts."""
    hot.ok("HOTKEYS", "START", "METRICS", 2, "CPU", "NET", "COUNT", 64)
    for words in (
        ("GET", "a"), ("GETDEL", "b"), ("MGET", "c", "d"), ("MSET", "e", "v", "f", "v"), ("ZUNION", 2, "g", "h"),
        ("XREAD", "COUNT", 1, "STREAMS", "i", "0"), ("OBJECT", "ENCODING", "j"), ("MEMORY", "USAGE", "k"),
        ("EVAL", "return 1", 1, "l", "no-key"), ("SORT", "m", "STORE", "n"), ("BITOP", "NOT", "o", "p"),
        ("PING",), ("INFO",), ("CONFIG", "GET", "port"), ("GET",), ("NONSENSE", "q"), ("EVAL", "return 1", "x"),
    ):  # fmt: skip
        hot(*words)
    fields = got(hot)
    assert b"".join(sorted(figures(fields["by-net-bytes"]))) == b"abcdefghijklmnop"
    assert set(figures(fields["by-cpu-time-us"])) == set(figures(fields["by-net-bytes"]))
    assert all(spent > 0 for spent in fields["by-cpu-time-us"][1::2])


def test_count_and_order(hot: Connection) -> None:
    hot.ok("HOTKEYS", "START", "METRICS", 1, "NET", "COUNT", 3)
    for n in range(30):
        hot.ok("SET", f"k{n}", "v" * n * 10)
    assert got(hot)["by-net-bytes"][::2] == [b"k29", b"k28", b"k27"]


def test_what_is_sampled_stands_for_all(hot: Connection) -> None:
    """Half of the commands about one key: with a fifth of them looked at, the figures still are those of all."""
    hot.ok("HOTKEYS", "START", "METRICS", 1, "NET", "SAMPLE", 5)
    for _ in range(40):
        hot.pipeline([("SET", "hot", "v"), ("SET", "cold", "v")] * 100)
    hot.ok("HOTKEYS", "STOP")
    fields = got(hot)
    each = figures(fields["by-net-bytes"])
    assert fields["sample-ratio"] == 5
    for name in (b"hot", b"cold"):
        assert 0.35 < each[name] / fields["net-bytes-all-commands-all-slots"] < 0.65
    assert 0.8 < fields["total-net-bytes"] / fields["net-bytes-all-commands-all-slots"] < 1.25


def test_duration(hot: Connection) -> None:
    hot.ok("HOTKEYS", "START", "METRICS", 1, "CPU", "DURATION", 1)
    wait_until(lambda: got(hot)["tracking-active"] == 0, "the end")
    hot.ok("SET", "late", "v")
    fields = got(hot)
    assert fields["by-cpu-time-us"] == [] and fields["collection-duration-ms"] == 1000
    assert hot("HOTKEYS", "STOP") is None
    hot.ok("HOTKEYS", "START", "METRICS", 1, "CPU")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "METRICS parameter is required"),
        ("COUNT 1", "METRICS parameter is required"),
        ("METRICS 0", "METRICS count must be > 0 and <= 2"),
        ("METRICS 3 CPU NET", "METRICS count must be > 0 and <= 2"),
        ("METRICS 2 CPU", "METRICS count does not match number of metric types provided"),
        ("METRICS 2 NET NET", "METRICS NET defined more than once!"),
        ("METRICS 2 GPU NYET", "METRICS no valid metrics passed. Supported: CPU|NET"),
        ("METRICS 1 CPU NET", "syntax error"),
        ("METRICS 1 CPU COUNT", "syntax error"),
        ("METRICS 1 CPU COUNT 65", "COUNT must be between 1 and 64"),
        ("METRICS 1 CPU DURATION 0", "DURATION must be between 1 and 1000000"),
        ("METRICS 1 CPU SAMPLE 0", "SAMPLE ratio must be positive"),
        ("METRICS 1 CPU SLOTS 1 0", "SLOTS parameter cannot be used in non-cluster mode"),
    ],
)
def test_errors(hot: Connection, words: str, text: str) -> None:
    reply = hot("HOTKEYS", "START", *words.split())
    assert isinstance(reply, RespError) and text in str(reply)
    assert hot("HOTKEYS", "GET") is None


def test_one_session_at_a_time(hot: Connection) -> None:
    hot.ok("HOTKEYS", "START", "METRICS", 2, "GPU", "CPU")
    assert "already in progress" in str(hot("HOTKEYS", "START", "METRICS", 1, "NET"))
    assert "stop tracking first" in str(hot("HOTKEYS", "RESET"))
    hot.ok("HOTKEYS", "STOP")
    assert hot("HOTKEYS", "STOP") is None
    hot.ok("HOTKEYS", "RESET")
    assert hot.ok("HOTKEYS", "HELP")[0].startswith("HOTKEYS")


LEFT_OUT = {
    "shutdown", "debug", "monitor", "quit", "replicaof", "slaveof", "sync", "psync", "failover", "client",
    "config", "acl", "auth", "hello", "reset", "multi", "exec", "hotkeys", "subscribe", "psubscribe",
    "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe",
}  # fmt: skip


def test_arguments_of_any_kind(new_server: Callable[..., Server]) -> None:
    """Keys are looked for whatever the arguments are, before anybody says that they are wrong; that upsets nothing."""
    server = new_server(hot_keys_sample=1)
    c = server.connect()
    c.ok("HOTKEYS", "START", "METRICS", 2, "CPU", "NET")
    names = [entry[0].decode() for entry in c.ok("COMMAND")]
    for words in ((), ("0",), ("k", "-1"), ("1", "2", "3"), ("k", "9" * 30, "x", "STREAMS"), ("x", "2", "a", "b")):
        for name in names:
            if name not in LEFT_OUT and not name.startswith(("bl", "br", "bz", "xread", "wait")):
                c(name, *words)
    assert got(c)["by-net-bytes"]
    assert "failed" not in server.log()


# ---- the ones that are always told


def always(c: Connection) -> list[tuple[int, str, float]]:
    """(db, quoted key, accesses a second) of INFO hotkeys."""
    text = c.ok("INFO", "hotkeys").decode()
    found = []
    for line in text.splitlines():
        if line.startswith("hot_key_"):
            db, rate, key = line.partition(":")[2].split(",", 2)
            found.append((int(db.removeprefix("db=")), key.removeprefix("key="), float(rate.partition("=")[2])))
    return found


def test_always_told_by_database(hot: Connection) -> None:
    assert always(hot) == []
    hot.pipeline([("GET", "a")] * 30 + [("SET", "b", 1)] * 10 + [("HGET", "c", "f")] * 5)
    hot.ok("SELECT", 3)
    hot.pipeline([("GET", "a")] * 20)
    assert [found[:2] for found in always(hot)] == [(0, '"a"'), (3, '"a"'), (0, '"b"'), (0, '"c"')]


def test_names_are_quoted_and_in_their_own_section_only(hot: Connection) -> None:
    hot.pipeline([("GET", b"a\r\n\"\\\xff")] * 3)
    assert [found[1] for found in always(hot)] == ['"a\\x0d\\x0a\\"\\\\\\xff"']
    assert b"hot_key" not in hot.ok("INFO", "everything")


def test_others_fade(hot: Connection) -> None:
    hot.pipeline([("GET", "early")] * 20)

    def early() -> float:
        hot.ok("GET", "now")
        return {key: rate for _, key, rate in always(hot)}['"early"']

    first = early()
    wait_until(lambda: early() < first * 0.9, "less than before")


def test_sampling_finds_what_is_hot(new_server: Callable[..., Server]) -> None:
    c = new_server().connect()
    assert c.ok("CONFIG", "GET", "hot-keys-sample")[1] == b"64"
    for n in range(200):
        c.pipeline([("GET", "hot")] * 50 + [("GET", f"cold:{n}:{m}") for m in range(50)])
    assert always(c)[0][1] == '"hot"' and len(always(c)) < 5


def test_off(hot: Connection) -> None:
    hot.ok("GET", "a")
    hot.ok("CONFIG", "SET", "hot-keys-sample", 0)
    hot.pipeline([("GET", "a")] * 100)
    assert always(hot) == []
    hot.ok("HOTKEYS", "START", "METRICS", 1, "NET")
    hot.ok("GET", "a")
    assert len(got(hot)["by-net-bytes"]) == 2 and always(hot) == []
    hot.ok("CONFIG", "SET", "hot-keys-sample", 1)
    hot.ok("GET", "b")
    assert [found[1] for found in always(hot)] == ['"b"']
