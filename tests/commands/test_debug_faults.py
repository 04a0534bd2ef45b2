"""DEBUG FAULT and DEBUG DISK-FULL: what clients must survive, on demand."""

import pytest

from tests.support.pace import wait_until
from tests.support.resp import ConnectionClosed, RespError


def passed(c):
    return int(c("INFO", "debug").split(b"fast_path_commands:")[1].split(b"\r\n")[0])


def test_the_next_commands_fail_and_then_no_more(raw, another):
    other = another()
    assert raw("DEBUG", "FAULT", "ERROR", "get", 2, "LOADING not", "yet") == "OK"
    raw("SET", "k", "v")
    assert raw("GET", "k") == RespError("LOADING not yet")
    assert raw("DEBUG", "FAULT", "LIST") == [["error", "get", 1]]
    assert other("GET", "k") == RespError("LOADING not yet")
    assert other("GET", "k") == b"v"
    assert raw("DEBUG", "FAULT", "LIST") == []


def test_fast_paths_come_back(raw):
    raw("DEBUG", "FAULT", "ERROR", "incr", 1, "ERR x")
    before = passed(raw)
    raw("SET", "k", "v")
    assert passed(raw) == before
    raw("INCR", "k")
    raw("SET", "k", "v")
    assert passed(raw) == before + 1


def test_any_command_but_debug(raw):
    raw("DEBUG", "FAULT", "ERROR", "*", 100, "ERR all of them")
    assert raw("PING") == RespError("ERR all of them")
    assert raw("CONFIG", "GET", "port") == RespError("ERR all of them")
    assert raw("DEBUG", "FAULT", "CLEAR") == "OK"
    assert raw("PING") == "PONG"


def test_a_subcommand_and_its_container(raw):
    raw("DEBUG", "FAULT", "ERROR", "config|get", 1, "ERR sub")
    assert raw("CONFIG", "RESETSTAT") == "OK"
    assert raw("CONFIG", "GET", "port") == RespError("ERR sub")
    raw("DEBUG", "FAULT", "ERROR", "config", 1, "ERR container")
    assert raw("CONFIG", "RESETSTAT") == RespError("ERR container")


def test_in_a_transaction_it_spoils_what_is_queued(raw):
    raw("DEBUG", "FAULT", "ERROR", "incr", 1, "OOM no room")
    raw("MULTI")
    assert raw("INCR", "n") == RespError("OOM no room")
    assert raw("EXEC").code == "EXECABORT"
    assert raw("EXISTS", "n") == 0


def test_scripts_are_not_concerned(raw):
    raw("DEBUG", "FAULT", "ERROR", "incr", 1, "ERR x")
    assert raw("EVAL", "return redis.call('INCR', KEYS[1])", 1, "n") == 1
    assert raw("INCR", "n") == RespError("ERR x")


def test_a_dropped_connection_before_and_after(raw, another):
    raw("DEBUG", "FAULT", "DROP", "incr", 1)
    other = another()
    other.send("INCR", "n")
    with pytest.raises(ConnectionClosed):
        other.read()
    assert raw("GET", "n") is None
    raw("DEBUG", "FAULT", "LOSE", "incr", 1)
    other = another()
    other.send_raw(b"INCR n\r\nINCR n\r\n")
    with pytest.raises(ConnectionClosed):
        other.read()
    assert raw("GET", "n") == b"1"                       # what stood behind it is lost, too


def test_a_slow_reply_comes(raw):
    raw("DEBUG", "FAULT", "DELAY", "set", 1, 50)
    raw.send("SET", "k", "first")
    raw.send("GET", "k")
    assert raw.read() == "OK"
    assert raw.read() == b"first"


def test_a_slow_reply_keeps_nobody_else_waiting(raw, another):
    other, gone = another(), another()
    gone("CLIENT", "SETNAME", "gone")
    raw("DEBUG", "FAULT", "DELAY", "set", 2, 3_600_000)
    other.send("SET", "k", "v")
    wait_until(lambda: raw("DEBUG", "FAULT", "LIST") == [["delay", "set", 1]], "the command that comes late")
    gone.send("SET", "k", "w")
    wait_until(lambda: raw("DEBUG", "FAULT", "LIST") == [], "the second one")
    assert raw("SET", "k", "x") == "OK"
    assert raw("GET", "k") == b"x"
    gone.close()
    wait_until(lambda: b"name=gone" not in raw("CLIENT", "LIST"), "the end of a client")
    raw("DEBUG", "FAULT", "CLEAR")
    assert other.read() == "OK"
    before = passed(raw)
    assert raw("GET", "k") == b"v"
    assert passed(raw) == before + 1


@pytest.mark.parametrize("words", [
    ("ERROR", "get", 1), ("ERROR", "get", 0, "ERR x"), ("ERROR", "nothing", 1, "ERR x"), ("ERROR", "debug", 1, "ERR x"),
    ("ERROR", "get", 1, "two\r\nlines"), ("DELAY", "get", 1, -1), ("DELAY", "get", 1), ("DROP", "get", 1, 1),
    ("BREAK", "get", 1), ("CLEAR", "get"),
])  # fmt: skip
def test_words_that_are_none(raw, words):
    assert isinstance(raw("DEBUG", "FAULT", *words), RespError)
    assert raw("DEBUG", "FAULT", "LIST") == []


def test_a_full_disk_stops_snapshots_and_writes(new_server):
    server = new_server(save="3600 1")
    with server.connect() as c:
        c("SET", "k", "v")
        c.ok("DEBUG", "DISK-FULL", 1)
        assert isinstance(c("SAVE"), RespError)
        c.ok("BGSAVE")
        wait_until(lambda: b"rdb_last_bgsave_status:err" in c("INFO", "persistence"), "the end of BGSAVE")
        assert c("SET", "k", "w").code == "MISCONF"
        c.ok("DEBUG", "DISK-FULL", 0)
        assert c("SAVE") == "OK"
        assert c("SET", "k", "w") == "OK"
    assert "No space left on device" in server.log()


def test_a_full_disk_stops_the_append_only_file(new_server):
    server = new_server(appendonly=True)
    with server.connect() as c:
        assert c("SET", "k", 1) == "OK"
        c.ok("DEBUG", "DISK-FULL", 1)
        c("SET", "k", 2)
        wait_until(lambda: getattr(c("SET", "k", 3), "code", "") == "MISCONF", "the refusal of writes")
        before = c("GET", "k")
        c.ok("DEBUG", "DISK-FULL", 0)
        wait_until(lambda: c("INCR", "n") == 1, "writes")
    server.restart()
    with server.connect() as c:
        assert c("GET", "k") == before
        assert c("GET", "n") == b"1"
