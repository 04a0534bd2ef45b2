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
