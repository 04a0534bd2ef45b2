"""Clients that wait for lists: who is served, when, with what, and what others are told of it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.commands.test_dump import payload
from tests.support.resp import Connection, NullArray, Push, RespError, Status

Connect = Callable[..., Connection]


def info(raw: Connection, name: str) -> int:
    for line in raw("INFO", "clients").decode().splitlines():
        if line.startswith(name + ":"):
            return int(line.split(":")[1])
    raise KeyError(name)


def until(what: Callable[[], bool]) -> None:
    """Wait for a condition."""
    for _ in range(2000):
        if what():
            return
        time.sleep(0.002)
    raise AssertionError("it never came true")


def numbers(raw: Connection, command: str) -> dict[str, str]:
    """Its line of INFO commandstats."""
    text = raw("INFO", "commandstats").decode()
    line = next((line for line in text.splitlines() if line.startswith(f"cmdstat_{command}:")), "")
    return dict(pair.split("=") for pair in line.partition(":")[2].split(",") if pair)


@pytest.fixture
def waiting(raw: Connection, another: Connect) -> Iterator[Callable[..., Connection]]:
    """`waiting("BLPOP", "k", 0)`: a connection that waits in this command."""

    def start(*command: Any, **options: Any) -> Connection:
        connection = another(**options)
        before = info(raw, "blocked_clients")
        connection.send(*command)
        until(lambda: info(raw, "blocked_clients") == before + 1)
        return connection

    yield start


@pytest.mark.parametrize("timeout", ["1e400", "inf", "1e17"])
def test_a_timeout_beyond_all_numbers(raw, timeout):
    assert raw("BLPOP", "l", timeout) == RespError("ERR timeout is out of range")


@pytest.mark.parametrize("timeout", ["1e5000", "nan", "x"])
def test_a_timeout_that_is_no_number(raw, timeout):
    assert raw("BLPOP", "l", timeout) == RespError("ERR timeout is not a float or out of range")


def test_a_timeout_below_all_numbers(raw):
    assert raw("BLPOP", "l", "-1e400") == RespError("ERR timeout is negative")


def test_a_push_serves_who_waits(raw, waiting):
    one = waiting("BLPOP", "a", "b", 0)
    assert raw("RPUSH", "b", "x", "y") == 2
    assert one.read() == [b"b", b"x"]
    assert raw("LRANGE", "b", 0, -1) == [b"y"]
    assert info(raw, "blocked_clients") == info(raw, "total_blocking_keys") == 0


def test_each_command_waits(raw, waiting):
    served = [
        (waiting("BRPOP", "k", 0), [b"k", b"5"]),
        (waiting("BLMPOP", 0, 1, "k", "LEFT", "COUNT", 2), [b"k", [b"1", b"2"]]),
        (waiting("BLMOVE", "k", "to", "RIGHT", "LEFT", 0), b"4"),
        (waiting("BRPOPLPUSH", "k", "to", 0), b"3"),
    ]
    raw("RPUSH", "k", 1, 2, 3, 4, 5)
    assert [connection.read() for connection, _ in served] == [reply for _, reply in served]
    assert raw("LRANGE", "to", 0, -1) == [b"3", b"4"]
    assert raw("EXISTS", "k") == 0


def test_first_come_first_served(raw, waiting):
    clients = [waiting("BLPOP", "k", 0) for _ in range(4)]
    raw("RPUSH", "k", 0, 1)
    raw("RPUSH", "k", 2)
    raw("RPUSH", "k", 3)
    assert [client.read() for client in clients] == [[b"k", b"%d" % number] for number in range(4)]


def test_the_order_of_the_keys_does_not_matter_but_which_is_filled_first(raw, waiting):
    one = waiting("BLPOP", "a", "b", "c", 0)
    raw.pipeline([("MULTI",), ("RPUSH", "c", 1), ("RPUSH", "a", 2), ("EXEC",)])
    assert one.read() == [b"a", b"2"]  # run again from the start: the first of its keys that is there
    assert raw("LRANGE", "c", 0, -1) == [b"1"]


def test_the_same_key_twice(raw, waiting):
    one = waiting("BLPOP", "k", "k", 0)
    raw("RPUSH", "k", 1, 2)
    assert one.read() == [b"k", b"1"]
    assert raw("LLEN", "k") == 1


def test_what_follows_in_the_pipeline_waits_too(raw, another):
    one = another()
    one.send("BLPOP", "k", 0)
    one.send("SET", "after", 1)
    until(lambda: info(raw, "blocked_clients") == 1)
    assert raw("GET", "after") is None
    raw("RPUSH", "k", "x")
    assert one.read() == [b"k", b"x"]
    assert one.read() == Status("OK")
    one.send("GET", "after")
    assert one.read() == b"1"


@pytest.mark.parametrize(
    "command",
    [
        ("BLPOP", "k", "0.02"),
        ("BLMOVE", "k", "m", "LEFT", "LEFT", 0.02),
        ("BLMPOP", 0.001, 1, "k", "LEFT"),
        ("BRPOPLPUSH", "k", "m", "0.0001"),
    ],
)
def test_time_is_over(raw, command):
    assert raw(*command) is NullArray
    assert (
        info(raw, "blocked_clients") == info(raw, "clients_in_timeout_table") == info(raw, "total_blocking_keys") == 0
    )
    assert raw("PING") == Status("PONG")


def test_deadlines_in_any_order(raw, waiting):
    later, sooner, never = waiting("BLPOP", "k", 0.15), waiting("BLPOP", "k", 0.05), waiting("BLPOP", "k", 0)
    assert info(raw, "clients_in_timeout_table") >= 1
    assert sooner.read() is NullArray
    assert later.read() is NullArray
    raw("RPUSH", "k", 1)
    assert never.read() == [b"k", b"1"]


def test_no_element_is_lost_when_the_client_goes(raw, waiting):
    one, two = waiting("BLPOP", "k", 0), waiting("BLPOP", "k", 0)
    one.close()
    until(lambda: info(raw, "blocked_clients") == 1)
    raw("RPUSH", "k", 1)
    assert two.read() == [b"k", b"1"]


def test_killed_clients_are_not_served(raw, waiting):
    one = waiting("BLPOP", "k", 0)
    one_id = next(line.split()[0][3:] for line in raw("CLIENT", "LIST").decode().splitlines() if "cmd=blpop" in line)
    raw.pipeline([("CLIENT", "KILL", "ID", one_id), ("RPUSH", "k", 1)])
    assert raw("LLEN", "k") == 1
    with pytest.raises(ConnectionError):
        one.read()


def test_only_the_state_after_a_transaction_counts(raw, waiting):
    one = waiting("BLPOP", "k", 0)
    raw.pipeline([("MULTI",), ("RPUSH", "k", 1), ("DEL", "k"), ("EXEC",)])
    raw.pipeline([("MULTI",), ("RPUSH", "k", 1), ("DEL", "k"), ("SET", "k", "string"), ("EXEC",)])
    assert info(raw, "blocked_clients") == 1
    raw("DEL", "k")
    raw.pipeline([("MULTI",), ("RPUSH", "k", 2), ("LPUSH", "k", 3), ("EXEC",)])
    assert one.read() == [b"k", b"3"]


def test_other_types_do_not_wake(raw, waiting):
    one = waiting("BLPOP", "k", 0)
    raw("SET", "k", 1)
    raw("SADD", "k2", 1)
    raw("RENAME", "k2", "k")
    assert info(raw, "blocked_clients") == 1
    raw("DEL", "k")
    raw("RPUSH", "k", 1)
    assert one.read() == [b"k", b"1"]


def test_a_wrong_type_met_when_run_again(raw, waiting):
    one = waiting("BLPOP", "a", "b", 0)
    raw("SET", "a", "text")
    raw("RPUSH", "b", 1)
    assert one.read().code == "WRONGTYPE"
    assert raw("LLEN", "b") == 1


@pytest.mark.parametrize(
    "arrive",
    [
        [("RPUSH", "x", 1), ("RENAME", "x", "k")],
        [("RPUSH", "x", 1), ("COPY", "x", "k")],
        [("SELECT", 1), ("RPUSH", "k", 1), ("MOVE", "k", 0), ("SELECT", 0)],
        [("RPUSH", "x", 1), ("SORT", "x", "STORE", "k")],
        [("RESTORE", "k", 0, payload(1, b"\x01\x011"))],
        [("SELECT", 1), ("RPUSH", "k", 1), ("SWAPDB", 0, 1), ("FLUSHDB",), ("SELECT", 0)],
    ],
)
def test_lists_that_come_by_other_ways(raw, waiting, arrive):
    one = waiting("BLPOP", "k", 0)
    raw.pipeline(arrive)
    assert one.read() == [b"k", b"1"]


@pytest.mark.parametrize(
    "arrive",
    [
        [("MULTI",), ("RPUSH", "k", 1), ("PEXPIRE", "k", 1), ("DEBUG", "SLEEP", "0.01"), ("EXEC",)],
        [
            ("SELECT", 1),
            ("RPUSH", "k", 1),
            ("PEXPIRE", "k", 1),
            ("DEBUG", "SLEEP", "0.01"),
            ("SWAPDB", 0, 1),
            ("SELECT", 0),
        ],
    ],
)
def test_an_expired_list_wakes_nobody_and_is_not_deleted_by_looking(raw, waiting, arrive):
    raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    one = waiting("BLPOP", "k", 0)
    raw.pipeline(arrive)
    assert info(raw, "blocked_clients") == raw("DBSIZE") == 1
    raw("DEL", "k")
    raw("RPUSH", "k", 2)
    assert one.read() == [b"k", b"2"]
    raw("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_each_database_has_its_queues(raw, another):
    one = another()
    one("SELECT", 3)
    one.send("BLPOP", "k", 0)
    until(lambda: info(raw, "blocked_clients") == 1)
    raw("RPUSH", "k", "other")
    raw("SELECT", 3)
    raw("RPUSH", "k", "mine")
    assert one.read() == [b"k", b"mine"]
    raw("SELECT", 0)


def test_a_chain_of_moves(raw, waiting):
    three, two = waiting("BLPOP", "c", 0), waiting("BLMOVE", "b", "c", "LEFT", "LEFT", 0)
    one = waiting("BLMOVE", "a", "b", "LEFT", "LEFT", 0)
    raw("RPUSH", "a", "x")
    assert one.read() == two.read() == b"x"
    assert three.read() == [b"c", b"x"]
    assert raw("DBSIZE") == 0


def test_moves_in_a_circle_end(raw, waiting):
    one, two = waiting("BLMOVE", "a", "b", "LEFT", "LEFT", 0), waiting("BLMOVE", "b", "a", "LEFT", "LEFT", 0)
    raw("RPUSH", "a", "x")
    assert one.read() == two.read() == b"x"
    assert raw("LRANGE", "a", 0, -1) == [b"x"]


def test_a_destination_of_the_wrong_type(raw, waiting):
    raw("SET", "to", 1)
    one, two = waiting("BLMOVE", "k", "to", "LEFT", "LEFT", 0), waiting("BLPOP", "k", 0)
    raw("RPUSH", "k", "x")
    assert one.read().code == "WRONGTYPE"
    assert two.read() == [b"k", b"x"]


def test_client_unblock(raw, another):
    one = another()
    one_id = one("CLIENT", "ID")
    assert raw("CLIENT", "UNBLOCK", one_id) == 0
    for how, reply in (
        ((), NullArray),
        (("TIMEOUT",), NullArray),
        (("ERROR",), RespError("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
    ):
        one.send("BLPOP", "k", 0)
        until(lambda: info(raw, "blocked_clients") == 1)
        assert raw("CLIENT", "UNBLOCK", one_id, *how) == 1
        assert one.read() == reply
    assert raw("CLIENT", "UNBLOCK", one_id) == 0
    raw("RPUSH", "k", "x")
    assert one("BLPOP", "k", 0) == [b"k", b"x"]


def test_resp3(raw, waiting):
    one, two = waiting("BLPOP", "k", 0, protocol=3), waiting("BLPOP", "k", 0.01, protocol=3)
    assert two.read() is None
    raw("RPUSH", "k", "x")
    assert one.read() == [b"k", b"x"]


def test_statistics_count_a_wait_once(raw, waiting):
    def calls() -> int:
        text = raw("INFO", "commandstats").decode()
        return next(
            (int(line.split("=")[1].split(",")[0]) for line in text.splitlines() if line.startswith("cmdstat_blpop:")),
            0,
        )

    before = calls()
    one = waiting("BLPOP", "k", 0)
    assert calls() == before
    raw("RPUSH", "k", "x")
    one.read()
    assert calls() == before + 1
    raw("BLPOP", "k", 0.001)
    assert calls() == before + 2


@pytest.mark.parametrize("fast", ["yes", "no"])
@pytest.mark.parametrize("push", ["LPUSH", "RPUSH"])
def test_who_waits_is_served_before_the_next_command(raw, waiting, push, fast):
    raw.ok("DEBUG", "FAST-PATHS", fast)
    try:
        raw("CONFIG", "RESETSTAT")
        one = waiting("BLPOP", "k", 0)
        commands = [(push, "k", "x"), ("LPOP", "k"), ("EXISTS", "k"), (push, "k", "y", "z")]
        assert raw.pipeline(commands) == [1, None, 0, 2]
        assert one.read() == [b"k", b"x"]
        assert numbers(raw, push.lower())["calls"] == "2" and numbers(raw, "blpop")["calls"] == "1"
    finally:
        raw.ok("DEBUG", "FAST-PATHS", "yes")


@pytest.mark.parametrize("push", ["LPUSH", "RPUSH"])
def test_a_push_is_propagated_before_what_it_served(raw, waiting, push):
    raw.ok("DEBUG", "PROPAGATED", "START")
    one = waiting("BRPOP", "k", 0)
    raw(push, "k", "x")
    assert one.read() == [b"k", b"x"]
    stream = raw("DEBUG", "PROPAGATED", "GET")
    raw.ok("DEBUG", "PROPAGATED", "STOP")
    assert stream.index(push.encode()) < stream.index(b"RPOP")


def test_a_push_that_several_wait_for_serves_one(raw, waiting):
    first, second = waiting("BLPOP", "k", 0), waiting("BLPOP", "k", 0)
    raw("LPUSH", "k", "x")
    assert first.read() == [b"k", b"x"]
    assert info(raw, "blocked_clients") == 1
    raw("LPUSH", "k", "y")
    assert second.read() == [b"k", b"y"]
    assert info(raw, "blocked_clients") == 0


def test_who_is_paused_runs_later(raw, waiting, another):
    one = waiting("BLPOP", "k", 0)
    raw.pipeline([("MULTI",), ("RPUSH", "k", "x"), ("CLIENT", "PAUSE", 60000, "WRITE"), ("EXEC",)])
    assert raw("LLEN", "k") == 1
    raw("CLIENT", "UNPAUSE")
    assert one.read() == [b"k", b"x"]
    assert one("PING") == Status("PONG")


def test_many_clients_on_many_keys(raw, another):
    clients = [another() for _ in range(20)]
    keys = [f"k{number}" for number in range(50)]
    for client in clients:
        client.send("BLPOP", *keys, 0)
    until(lambda: info(raw, "blocked_clients") == 20)
    assert info(raw, "total_blocking_keys") == 50
    raw.pipeline([("RPUSH", keys[number], number) for number in range(20)])
    assert sorted(client.read()[1] for client in clients) == sorted(b"%d" % number for number in range(20))
    assert info(raw, "total_blocking_keys") == 0


def test_events_of_a_served_client(raw, another, waiting, configure):
    configure("notify-keyspace-events", "KElg")
    listener = another(protocol=3)
    listener.send("PSUBSCRIBE", "__keyevent@0__:*")
    assert listener.read()[0] == b"psubscribe"
    one = waiting("BLMOVE", "k", "to", "LEFT", "RIGHT", 0)
    raw("RPUSH", "k", "x")
    assert one.read() == b"x"
    told = [listener.read() for _ in range(4)]
    assert all(isinstance(push, Push) for push in told)
    assert [(push[2].split(b":")[1], push[3]) for push in told] == [
        (b"rpush", b"k"),
        (b"rpush", b"to"),
        (b"lpop", b"k"),
        (b"del", b"k"),
    ]


@pytest.mark.parametrize(("timeout", "error"), [
    ("1e400", "is out of range"), ("inf", "is out of range"), ("9223372036854775.807", "is out of range"),
    ("-1e400", "is negative"), ("-inf", "is negative"), ("1e-400", None), ("0x1p-20", None),
    ("1e5000", "is not a float or out of range"), ("nan", "is not a float or out of range"),
])  # fmt: skip
def test_timeouts_at_the_edges(raw, timeout, error):
    assert raw("BLPOP", "l", timeout) == (RespError(f"ERR timeout {error}") if error else NullArray)


@pytest.mark.parametrize("words", [
    ("BLPOP", "l", "9000000000000000"), ("BLMPOP", "9e15", 1, "l", "LEFT"), ("BZPOPMIN", "z", 1e12),
    ("XREAD", "BLOCK", 9 * 10**18, "STREAMS", "x", "$"), ("BRPOP", "l", "8e15"),
])  # fmt: skip
def test_waits_of_ages(raw, another, words):
    """Times that overflow as microseconds."""
    client = another()
    name = client("CLIENT", "ID")
    client.send(*words)
    until(lambda: info(raw, "blocked_clients") == 1)
    raw.ok("PING")
    assert info(raw, "blocked_clients") == 1
    assert raw("CLIENT", "UNBLOCK", name) == 1
    assert client.read() in (NullArray, None)


# A form that waits, what wakes it, and what makes it wait (a stream and its group must be there).
WAITS = [
    (["BLPOP", "k", "0"], ["RPUSH", "k", "a", "b"], []),
    (["BRPOP", "none", "k", "none", "20.5"], ["RPUSH", "k", "a", "b"], []),
    (["BLMPOP", "0", "2", "none", "k", "LEFT", "COUNT", "5"], ["RPUSH", "k", "a", "12"], []),
    (["BLMOVE", "k", "other", "LEFT", "RIGHT", "20"], ["RPUSH", "k", "a", "b"], []),
    (["BRPOPLPUSH", "k", "k", "0.125"], ["RPUSH", "k", "a", "b"], []),
    (["BZPOPMIN", "k", "none", "0"], ["ZADD", "k", "1", "a", "2", "b"], []),
    (["BZPOPMAX", "k", "0020"], ["ZADD", "k", "1", "a", "2", "b"], []),
    (["BZMPOP", "20", "1", "k", "MAX", "COUNT", "2"], ["ZADD", "k", "1", "a", "2", "b"], []),
    (["XREAD", "BLOCK", "0", "STREAMS", "k", "$"], ["XADD", "k", "9-1", "f", "v"], []),
    (["XREAD", "COUNT", "1", "BLOCK", "20000", "STREAMS", "none", "k", "$", "$"], ["XADD", "k", "9-1", "f", "v"],
     [["XADD", "k", "5-3", "f", "v"]]),
    (["XREAD", "BLOCK", "0", "STREAMS", "k", "5-3"], ["XADD", "k", "9-1", "f", "v"], [["XADD", "k", "5-3", "f", "v"]]),
    (["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "k", ">"], ["XADD", "k", "9-1", "f", "v"],
     [["XGROUP", "CREATE", "k", "g", "$", "MKSTREAM"], ["XGROUP", "CREATECONSUMER", "k", "g", "c"]]),
    (["XREADGROUP", "GROUP", "g", "c", "BLOCK", "20000", "NOACK", "STREAMS", "k", ">"], ["DEL", "k"],
     [["XGROUP", "CREATE", "k", "g", "$", "MKSTREAM"], ["XGROUP", "CREATECONSUMER", "k", "g", "c"]]),
]


def seen(raw: Connection, names: tuple[str, ...]) -> dict[str, object]:
    """What is told of waiting and of commands, without times."""
    fields = {name: info(raw, name) for name in
              ("blocked_clients", "clients_in_timeout_table", "total_blocking_keys", "total_blocking_keys_on_nokey")}
    for name in names:
        told = numbers(raw, name.lower())
        fields[name] = {field: told.get(field, "0") for field in ("calls", "rejected_calls", "failed_calls")}
    stats = raw("INFO", "stats").decode().splitlines()
    return fields | dict(line.split(":") for line in stats if line.startswith(("keyspace_hits", "keyspace_misses")))


@pytest.mark.parametrize("client", [[], ["CLIENT", "TRACKING", "ON"], ["CLIENT", "NO-TOUCH", "ON"]])
@pytest.mark.parametrize(("waits", "wakes", "before"), WAITS)
def test_waiting_natively_and_by_the_definition(raw, another, waits, wakes, before, client):
    """Replies, statistics and data are the same; two wait, of whom one is served or both."""
    told = []
    watcher = another()
    for fast in (b"yes", b"no"):
        raw("DEBUG", "FAST-PATHS", fast)
        raw("FLUSHALL")
        raw("CONFIG", "RESETSTAT")
        for command in before:
            raw(*command)
        watcher("WATCH", "k", "other")         # slows the door down, and is told of changes alone
        waiters = []
        for count in (1, 2):
            waiter = another()
            if client:
                waiter(*client)
            waiter.send(*waits)
            until(lambda count=count: info(raw, "blocked_clients") == count)
            waiters.append(waiter)
        state = [seen(raw, (waits[0], wakes[0]))]
        watcher("MULTI")
        watcher("PING")
        state.append(watcher("EXEC"))
        state.append(raw(*wakes))
        state.append(waiters[0].read())
        for waiter in waiters:
            waiter.close()
        until(lambda: info(raw, "blocked_clients") == 0)
        state += [seen(raw, (waits[0], wakes[0])), raw("DEBUG", "DIGEST")]
        told.append(state)
    raw("DEBUG", "FAST-PATHS", "yes")
    assert told[0] == told[1]


def test_words_of_a_request_that_waits_are_there_when_its_fast_path_declines(raw, waiting):
    """What is popped is run by the definition, from the words of the request, behind others of the same batch."""
    waiter = waiting("BLMOVE", "k", "other", "LEFT", "RIGHT", "0")
    raw("RPUSH", "k", "v" * 1000)              # longer than a fast path moves
    assert waiter.read() == b"v" * 1000
    assert raw("LRANGE", "other", "0", "-1") == [b"v" * 1000]
