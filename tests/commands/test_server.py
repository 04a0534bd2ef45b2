"""FLUSHALL, SWAPDB, TIME, ROLE, INFO, SHUTDOWN, LOLWUT, MODULE."""

import re
import signal

import pytest

from tests.support.resp import ConnectionClosed, NullArray, RespError, Status
from tests.support.server import wait_until


def test_flush_forms(both):
    for words in (("FLUSHALL",), ("FLUSHALL", "SYNC"), ("FLUSHALL", "async"), ("FLUSHDB",), ("FLUSHDB", "ASYNC")):
        both("SET", "k", 1)
        both(*words)
        both("DBSIZE")
    for words in (("FLUSHALL", "x"), ("FLUSHDB", "SYNC", "ASYNC"), ("DBSIZE", 1)):
        both(*words)


def test_flushdb_keeps_other_databases(both):
    both("SET", "k", 1)
    both("SELECT", 1)
    both("SET", "k", 2)
    both("FLUSHDB")
    both("DBSIZE")
    both("SELECT", 0)
    both("GET", "k")
    both("FLUSHALL")
    both("GET", "k")


def test_flushall_spoils_a_transaction(raw, another):
    other = another()
    raw("SET", "k", 1)
    raw("WATCH", "k")
    other("FLUSHALL")
    raw("MULTI")
    raw("PING")
    assert raw("EXEC") == NullArray


@pytest.mark.parametrize("words", [("FLUSHALL",), ("FLUSHALL", "SYNC"), ("flushdb",), ("FLUSHDB", "ASYNC")])
def test_flushing_nothing_is_told(raw, another, words):
    """A replica may have more than we do; and who tracks forgets what it has read, whatever there was."""
    assert raw(*words) == Status("OK")
    raw("DEBUG", "PROPAGATED", "START")
    assert raw(*words) == Status("OK")
    assert words[0].upper().encode() in raw("DEBUG", "PROPAGATED", "GET").upper()
    raw("DEBUG", "PROPAGATED", "STOP")
    listener, tracks = another(), another()
    listener("SUBSCRIBE", "__redis__:invalidate")
    tracks("CLIENT", "TRACKING", "ON", "REDIRECT", id_of(listener, another))
    assert raw(*words) == Status("OK")
    assert listener.read() == [b"message", b"__redis__:invalidate", None]


def id_of(listener, another):
    """Of a connection that only listens any more."""
    found = [line for line in another().ok("CLIENT", "LIST").decode().splitlines() if " sub=1 " in line]
    return found[-1].split()[0].removeprefix("id=")


def test_flushall_of_nothing_writes_the_file_where_there_are_save_points(new_server):
    server = new_server(save="3600 1", dbfilename="all.rdb")
    file = server.folder / "all.rdb"
    c = server.connect()
    assert c("FLUSHDB") == Status("OK") and not file.exists()
    assert c("FLUSHALL") == Status("OK") and file.exists()


def test_swapdb(both):
    both("SET", "k", "zero")
    both("SELECT", 1)
    both("SET", "k", "one")
    both("SWAPDB", 0, 1)
    both("GET", "k")
    both("SELECT", 0)
    both("GET", "k")
    both("SWAPDB", 0, 0)
    for words in ((0, 16), ("x", 1), (0, "y"), (-1, 0), (0, 99999999999)):
        both("SWAPDB", *words)
    both("FLUSHALL")


def test_time(raw):
    seconds, micros = raw("TIME")
    assert int(seconds) > 1_600_000_000
    assert 0 <= int(micros) < 1_000_000


def test_role_and_lolwut(both):
    both("ROLE")
    assert both.ours("LOLWUT").startswith(b"Redis ver. 7.2")
    assert both.ours("LOLWUT", "VERSION", "x").text == "ERR value is not an integer or out of range"


def test_info_is_verbatim_text(raw3):
    text = raw3("INFO", "server", "clients")
    assert text.format == "txt"
    assert text.startswith(b"# Server\r\n")
    assert b"\r\n\r\n# Clients\r\n" in text
    assert raw3("INFO", "nonsense") == b""
    assert b"# Commandstats" not in raw3("INFO")
    assert b"# Commandstats" in raw3("INFO", "all")


def test_info_makes_room(raw, configure):
    """As every command does: whoever looks at a server that is full finds that it kept to its limit."""
    raw.pipeline([("SET", f"k{n}", "x" * 1000) for n in range(1000)])
    configure("maxmemory-policy", "allkeys-random")
    limit = int(re.search(rb"used_memory:(\d+)", raw.ok("INFO", "memory"))[1])
    configure("maxmemory", limit)
    for section in ("memory", "everything"):
        for value in ("y" * 30000, "z" * 200000):
            *_, said = raw.pipeline([("SET", "large", value), ("INFO", section)])
            assert int(re.search(rb"used_memory:(\d+)", said)[1]) <= limit
    raw("FLUSHALL")


def test_info_in_a_script_and_in_exec(raw):
    raw("FLUSHALL")
    raw("SET", "k", 1)
    lines = b"# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"
    assert raw("EVAL", "return redis.call('INFO', 'keyspace')", 0) == lines
    *_, done = raw.pipeline([("MULTI",), ("INFO", "keyspace"), ("SET", "j", 1), ("info", "Keyspace"), ("EXEC",)])
    assert done == [lines, Status("OK"), lines.replace(b"keys=1", b"keys=2")]
    raw("FLUSHALL")
    assert raw("INFO", "keyspace") == b"# Keyspace\r\n"


def test_module(raw):
    assert raw("MODULE", "LIST") == []
    assert isinstance(raw("MODULE", "UNLOAD", "x"), RespError)


@pytest.mark.parametrize("words", [("SAVE", "NOSAVE"), ("x",), ("ABORT", "NOW")])
def test_shutdown_syntax(both, words):
    both("SHUTDOWN", *words)


def test_shutdown_abort_without_one(both):
    both("SHUTDOWN", "ABORT")


def test_shutdown(new_server):
    server = new_server()
    with pytest.raises(ConnectionClosed):
        server.connect()("SHUTDOWN", "NOSAVE")
    assert server.wait_exit() == 0
    server.wait_for_log("ready to exit, bye bye")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_shut_down(new_server, number):
    server = new_server()
    server.signal(number)
    assert server.wait_exit() == 0
    server.wait_for_log("User requested shutdown")


def test_abort_a_signal(new_server):
    server = new_server()
    c = server.connect()
    c("DEBUG", "PAUSE-CRON", 1)
    server.signal(signal.SIGTERM)
    server.wait_for_log("scheduling shutdown")
    assert c("SHUTDOWN", "ABORT") == Status("OK")
    server.wait_for_log("Shutdown manually aborted")
    c("DEBUG", "PAUSE-CRON", 0)
    assert c("PING") == Status("PONG")


def test_hup_does_nothing(new_server):
    server = new_server()
    server.signal(signal.SIGHUP)
    assert server.connect()("PING") == Status("PONG")


def test_shutdown_is_no_part_of_a_transaction(raw):
    raw("MULTI")
    assert isinstance(raw("SHUTDOWN"), RespError)
    raw("DISCARD")


def test_monitors_are_gone_with_their_connection(raw, another):
    other = another()
    other("MONITOR")
    other.close()
    wait_until(lambda: b"cmd=monitor" not in raw("CLIENT", "LIST"), "the monitor's end")


def test_names_of_error_statistics(raw):
    raw.ok("CONFIG", "RESETSTAT")
    long = "x" * 30
    for text in ("a:b c", "a#b c", "a\nb c", "NOCODE", "GOOD one", " lead", f"{long} y", f"{long}x y", b"\xff\xfe z"):
        raw("EVAL", "return {err=ARGV[1]}", 0, text)
    lines = [line for line in raw("INFO", "errorstats").split(b"\r\n") if line.startswith(b"errorstat_")]
    assert sorted(lines) == sorted([
        b"errorstat_a_b:count=1", b"errorstat_a_b:count=1", b"errorstat_a:count=1", b"errorstat_ERR:count=2",
        b"errorstat_GOOD:count=1", b"errorstat_:count=1", b"errorstat_" + b"x" * 30 + b":count=1",
        b"errorstat_\xff\xfe:count=1",
    ])  # fmt: skip


def test_numbers_in_info_have_the_digits_that_redis_gives_them(raw):
    """Two behind the point, three of what is told in milliseconds, six of processor time; all others are whole."""
    numbers = re.findall(r"^([a-z_]+):(-?\d+\.\d+)%?\r$", raw("INFO", "everything").decode(), re.M)
    assert {name: len(number.partition(".")[2]) for name, number in numbers} == {
        name: 6 if name.startswith("used_cpu") else 3 if name == "script_running_seconds" else 2 for name, _ in numbers
    }
    assert len(numbers) > 10
