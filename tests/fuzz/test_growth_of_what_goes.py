"""What came and went leaves nothing: clients, subscriptions, waits, scripts and libraries of functions. Afterwards the
interpreter has as many allocations as before, used_memory is the same, and the process is no larger.

Each deed is done until the process has what it keeps for good (free lists, arenas, buffers of the size of a turn), and
then again, looking before and after. REMUS_GROWTH_TIMES says how often (CI: 400); a leak of each time shows at any.
"""

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.support.pace import wait_until
from tests.support.resp import Connection, RespError, encode
from tests.support.server import Server

TIMES = int(os.environ.get("REMUS_GROWTH_TIMES", "400"))
AT_ONCE = 20
KEEPS_FREED = "REMUS_SANITIZED" in os.environ      # resident, for a while: to catch who uses it still
RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: close with a reset


class Look(NamedTuple):
    """What a server holds: allocations of the interpreter, bytes of used_memory, bytes of the process."""

    blocks: int
    used: int
    resident: int


@pytest.fixture
def quiet(new_server: Callable[..., Server]) -> Iterator[Server]:
    """A server in which nothing happens by itself."""
    yield new_server(save="", hz=10, slowlog_log_slower_than=-1, latency_tracking=False, io_threads_always_active="no")


def look(c: Connection) -> Look:
    """When all clients but this one are gone, and what is freed in the background is free."""
    wait_until(lambda: b"connected_clients:1\r" in c.ok("INFO", "clients"), "the clients are gone")
    wait_until(lambda: b"lazyfree_pending_objects:0\r" in c.ok("INFO", "memory"), "everything is freed")
    c.ok("MEMORY", "PURGE")
    c.ok("CONFIG", "RESETSTAT")
    fields = dict(line.split(":", 1) for line in c.ok("INFO", "memory").decode().splitlines() if ":" in line)
    return Look(c.ok("DEBUG", "BLOCKS"), int(fields["used_memory"]), int(fields["used_memory_rss"]))


def assert_nothing_stays(server: Server, deed: Callable[[Server, Connection, int], None]) -> None:
    """deed(server, connection, number) does it AT_ONCE times; number is another one each time. Whatever grows in steps
    is looked at again: a leak grows each time.
    """
    with Connection(server.port) as c:
        turns = iter(range(10**9))
        rounds = max(TIMES // AT_ONCE, 1)

        def grown() -> Look:
            before = look(c)
            for _ in range(rounds):
                deed(server, c, next(turns))
            after = look(c)
            return Look(*(b - a for a, b in zip(before, after, strict=True)))

        grown()
        found = [grown()]
        while too_much(found[-1]) and len(found) < 4:
            found.append(grown())
        assert not too_much(found[-1]), f"left by {rounds * AT_ONCE} times: {found}"
        stats = c.ok("INFO", "stats")
        assert b"internal_errors:0\r" in stats and b"gc_cycles_found:0\r" in stats


def too_much(grown: Look) -> bool:
    """Half an allocation, a few bytes of keys and clients, or 500 bytes of the process for each time."""
    larger = grown.resident > 100_000 + TIMES * 500 and not KEEPS_FREED
    return grown.blocks > TIMES // 2 or grown.used > TIMES * 8 or larger


def clients(server: Server, protocol: int = 2) -> list[Connection]:
    return [Connection(server.port, protocol=protocol) for _ in range(AT_ONCE)]


def close(connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()


# ---- clients
def come_and_go(server: Server, c: Connection, number: int) -> None:
    some = clients(server, 2 + number % 2)
    for at, one in enumerate(some):
        one.pipeline([("CLIENT", "SETNAME", f"name{number}-{at}"), ("SET", "k", "v"), ("NOSUCH",), ("SELECT", 3)])
    close(some)


def leave_in_a_transaction(server: Server, c: Connection, number: int) -> None:
    some = clients(server)
    for at, one in enumerate(some):
        one.pipeline([("WATCH", f"k{number}-{at}", "k"), ("MULTI",), ("SET", "k", "v" * 500), ("GET", "k")])
    close(some)


def leave_in_a_request(server: Server, c: Connection, number: int) -> None:
    for one in clients(server):
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        one.send_raw(encode("GET", "k") * 3 + encode("SET", "k", "v" * 20_000)[:-100])
        one.close()


def leave_without_reading(server: Server, c: Connection, number: int) -> None:
    c.ok("SET", "k", "v" * 100_000)
    some = clients(server)
    for one in some:
        one.send_raw(encode("GET", "k") * 5)
    close(some)


def be_killed(server: Server, c: Connection, number: int) -> None:
    some = clients(server)
    for one in some:
        c.ok("CLIENT", "KILL", "ID", one.ok("CLIENT", "ID"))
    close(some)


def watch_everything(server: Server, c: Connection, number: int) -> None:
    some = clients(server)[:3]
    for one in some:
        one.ok("MONITOR")
    c.pipeline([("SET", f"k{number}", "v" * 100)] * AT_ONCE)
    c.ok("DEL", f"k{number}")
    close(some)


# ---- channels
def subscribe(server: Server, c: Connection, number: int) -> None:
    """Half of the clients unsubscribe, the others just go."""
    some = clients(server, 3)
    for at, one in enumerate(some):
        name = f"channel{number}-{at}"
        for words in (("SUBSCRIBE", name, "all"), ("PSUBSCRIBE", name + "*"), ("SSUBSCRIBE", name)):
            one.send(*words)
        one.ok("PING")
        c.pipeline([("PUBLISH", name, "v" * 200), ("SPUBLISH", name, "v")])
        if at % 2:
            for words in (("UNSUBSCRIBE",), ("PUNSUBSCRIBE",), ("SUNSUBSCRIBE",)):
                one.send(*words)
            one.ok("PING")
    c.ok("PUBLISH", "all", "v")
    close(some)


def hear_of_keys(server: Server, c: Connection, number: int) -> None:
    c.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    some = clients(server)[:3]
    for one in some:
        one("PSUBSCRIBE", "__key*")
    for at in range(AT_ONCE):
        c.pipeline([("SET", f"k{number}-{at}", "v", "PX", 1), ("LPUSH", f"l{number}-{at}", "v"), ("FLUSHALL",)])
    c.ok("CONFIG", "SET", "notify-keyspace-events", "")
    close(some)


# ---- waiting
def wait_for(server: Server, c: Connection, number: int, end: Callable[[list[Connection], list[int]], None]) -> None:
    """Clients that wait in all ways, each for keys of its own."""
    some = clients(server)
    ids = [one.ok("CLIENT", "ID") for one in some]
    for at, one in enumerate(some):
        key = f"k{number}-{at}"
        one.send(*(
            ("BLPOP", key, "other", 0), ("BZPOPMIN", key, 0), ("BLMOVE", key, "to", "LEFT", "RIGHT", 0),
            ("XREAD", "BLOCK", 0, "STREAMS", key, "$"), ("BLMPOP", 100, 1, key, "LEFT"),
        )[at % 5])  # fmt: skip
    wait_until(lambda: b"blocked_clients:%d\r" % AT_ONCE in c.ok("INFO", "clients"), "all wait")
    end(some, ids)
    close(some)


def wait_and_be_killed(server: Server, c: Connection, number: int) -> None:
    wait_for(server, c, number, lambda _, ids: [c.ok("CLIENT", "KILL", "ID", one) for one in ids] and None)


def wait_and_go(server: Server, c: Connection, number: int) -> None:
    wait_for(server, c, number, lambda some, _: close(some))


def wait_and_be_woken(server: Server, c: Connection, number: int) -> None:
    def wake(some: list[Connection], ids: list[int]) -> None:
        for at in range(AT_ONCE):
            key = f"k{number}-{at}"
            c.ok(*(("LPUSH", key, "v"), ("ZADD", key, 1, "v"), ("LPUSH", key, "v"), ("XADD", key, "*", "f", "v"),
                   ("LPUSH", key, "v"))[at % 5])  # fmt: skip
        for one in some:
            one.read()
        c.ok("FLUSHALL")

    wait_for(server, c, number, wake)


def wait_and_be_unblocked(server: Server, c: Connection, number: int) -> None:
    wait_for(server, c, number, lambda _, ids: [c.ok("CLIENT", "UNBLOCK", one, "ERROR") for one in ids] and None)


# ---- scripts
def run_scripts(server: Server, c: Connection, number: int) -> None:
    """Each another text, with errors of all kinds."""
    for at in range(AT_ONCE):
        mark = f"-- {number}-{at}\n"
        c.pipeline([
            ("EVAL", mark + "return {redis.call('SET', KEYS[1], 'v'), redis.pcall('LPUSH', KEYS[1], 'v')}", 1, "k"),
            ("EVAL", mark + "return redis.call('LPUSH', KEYS[1], 'v')", 1, "k"),
            ("EVAL", mark + "local t = {} for i = 1, 100 do t[i] = ('x'):rep(i) end t[1] = nil .. t", 0),
            ("EVAL", mark + "this is no Lua", 0), ("EVAL", mark + "return function() end", 0),
            ("EVAL", mark + "return cjson.encode({redis.sha1hex('a'), cmsgpack.pack({1, 2})})", 0),
            ("SCRIPT", "LOAD", mark + "return {1, 2, 3}"), ("SCRIPT", "LOAD", mark + "not Lua either"),
        ])  # fmt: skip
    c.ok("SCRIPT", "FLUSH")


def run_loaded_ones(server: Server, c: Connection, number: int) -> None:
    sha = c.ok("SCRIPT", "LOAD", f"local n = {number} return redis.call('INCRBY', KEYS[1], n + #ARGV)")
    c.pipeline([("EVALSHA", sha, 1, "n", "a"), ("EVALSHA", "0" * 40, 0), ("EVALSHA_RO", sha, 1, "n")] * AT_ONCE)
    c.ok("SCRIPT", "FLUSH", "SYNC")
    c.ok("DEL", "n")


# ---- functions
LIBRARY = """#!lua name=%s
local kept = ('%s'):rep(100)
local function f(keys, args) return {kept, redis.pcall('GET', 'k'), keys[1]} end
redis.register_function('f_%s', f)
redis.register_function{function_name='g_%s', callback=function() error('no') end, flags={'no-writes'}}
"""


def load_functions(server: Server, c: Connection, number: int) -> None:
    names = [f"l{number}x{at}" for at in range(AT_ONCE)]
    for name in names:
        code = LIBRARY % ((name,) * 4)
        c.pipeline([
            ("FUNCTION", "LOAD", code), ("FUNCTION", "LOAD", code), ("FUNCTION", "LOAD", "REPLACE", code + "-- new"),
            ("FCALL", "f_" + name, 1, "k"), ("FCALL_RO", "g_" + name, 0), ("FUNCTION", "LIST", "WITHCODE"),
        ])  # fmt: skip
    dump = c.ok("FUNCTION", "DUMP")
    for name in names[::2]:
        c.ok("FUNCTION", "DELETE", name)
    c.ok("FUNCTION", "RESTORE", dump, "FLUSH")
    assert isinstance(c("FUNCTION", "RESTORE", dump, "APPEND"), RespError)
    c.ok("FUNCTION", "FLUSH")


def load_functions_in_vain(server: Server, c: Connection, number: int) -> None:
    for at in range(AT_ONCE):
        head = f"#!lua name=bad{number}x{at}\nlocal kept = ('x'):rep(1000)\n"
        bodies = ("not Lua", "error('no')", "redis.register_function('f', 1)", "redis.call('PING')", "",
                  "redis.register_function('f', function() return kept end)\nerror('late')",
                  "redis.register_function('f', function() return kept end)\n" * 2)  # fmt: skip
        for body in bodies:
            assert isinstance(c("FUNCTION", "LOAD", head + body), RespError)


DEEDS: list[Callable[[Server, Connection, int], Any]] = [
    come_and_go, leave_in_a_transaction, leave_in_a_request, leave_without_reading, be_killed, watch_everything,
    subscribe, hear_of_keys, wait_and_be_killed, wait_and_go, wait_and_be_woken, wait_and_be_unblocked,
    run_scripts, run_loaded_ones, load_functions, load_functions_in_vain,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_nothing_stays(quiet: Server, deed: Callable[[Server, Connection, int], None]) -> None:
    assert_nothing_stays(quiet, deed)
