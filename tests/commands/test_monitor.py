"""MONITOR: the form of a line, what is shown and what is not."""

import re

from tests.support.resp import RespError, Status

LINE = re.compile(r"(\d+)\.(\d{6}) \[(\d+) (\S+)\] (.*)")


def shown(monitor):
    """Database and words of the next line."""
    found = LINE.fullmatch(monitor.read())
    assert found
    return int(found[3]), found[5]


def watching(another):
    monitor = another()
    assert monitor("MONITOR") == Status("OK")
    return monitor


def test_line(raw, another):
    monitor = watching(another)
    raw("SELECT", 3)
    raw("SET", "k", b'a"b\\\n\r\t\a\b\x00\xff ')
    assert shown(monitor) == (3, '"SELECT" "3"')
    assert shown(monitor) == (3, r'"SET" "k" "a\"b\\\n\r\t\a\b\x00\xff "')


def test_order_in_a_transaction(raw, another):
    monitor = watching(another)
    raw("MULTI")
    raw("SET", "k", 1)
    raw("EXEC")
    assert [shown(monitor)[1] for _ in range(3)] == ['"MULTI"', '"SET" "k" "1"', '"EXEC"']


def test_who_wants_no_replies_may_watch(raw, another):
    """It hears nothing meanwhile, and is not taken for a replica that asks for what has a reply."""
    monitor = another()
    for words in (("CLIENT", "REPLY", "OFF"), ("MONITOR",), ("GET",), ("PING",)):
        monitor.send(*words)
    raw("ECHO", "unheard")
    monitor.send("CLIENT", "REPLY", "ON")
    assert monitor.read() == Status("OK")
    raw("ECHO", "heard")
    assert [shown(monitor)[1] for _ in range(2)] == ['"CLIENT" "REPLY" "ON"', '"ECHO" "heard"']


def test_administrative_commands_are_not_shown(raw, another):
    monitor = watching(another)
    raw("CONFIG", "GET", "port")
    raw("SLOWLOG", "LEN")
    raw("ECHO", "seen")
    assert shown(monitor)[1] == '"ECHO" "seen"'


def test_passwords_are_not_shown(raw, another):
    monitor = watching(another)
    raw("AUTH", "secret")
    raw("AUTH", "default", "secret")
    raw("HELLO", 2, "AUTH", "default", "secret")
    lines = [shown(monitor)[1] for _ in range(3)]
    assert "secret" not in "".join(lines)
    assert lines[0] == '"AUTH" "(redacted)"'


def test_fast_paths_are_seen(raw, another):
    monitor = watching(another)
    raw("GET", "k")
    assert shown(monitor)[1] == '"GET" "k"'


def test_reset_ends_it(raw, another):
    monitor = watching(another)
    assert monitor("RESET") == Status("RESET")
    raw("ECHO", "unseen")
    assert monitor("PING") == Status("PONG")
    before = fast_path_commands(raw)
    raw("ECHO", "fast")
    assert fast_path_commands(raw) == before + 1, "fast paths stand back only while somebody monitors"


def fast_path_commands(c):
    return int(c("INFO", "debug").split(b"fast_path_commands:")[1].split()[0])


def test_not_inside_a_transaction(raw):
    raw("MULTI")
    raw("MONITOR")
    assert isinstance(raw("EXEC")[0], RespError)


def test_a_command_that_waited_is_shown_once(raw, another):
    monitor, waiting = watching(another), another()
    waiting.send("BLPOP", "l", 0)
    assert shown(monitor)[1] == '"BLPOP" "l" "0"'
    raw("RPUSH", "l", "x")
    assert waiting.read() == [b"l", b"x"]
    raw("ECHO", "end")
    assert [shown(monitor)[1] for _ in range(2)] == ['"RPUSH" "l" "x"', '"ECHO" "end"']


REFUSED = RespError("ERR Replica can't interact with the keyspace")


def test_who_watches_may_not_use_keys(raw, another):
    monitor = watching(another)
    for line in ("SET k 1", "GET k", "PUBLISH c m", "EVAL return 0", "DBSIZE", "KEYS *", "BLPOP k 0"):
        assert monitor(*line.split()) == REFUSED
    raw("SET", "k", 1)
    assert shown(monitor)[1] == '"SET" "k" "1"'
    assert monitor("RESET") == "RESET"
    assert monitor("GET", "k") == b"1"


def test_its_own_commands_are_shown_after_their_replies(raw, another):
    monitor = watching(another)
    assert monitor("PING") == "PONG"
    assert shown(monitor)[1] == '"PING"'
    assert monitor("MULTI") == "OK"
    assert shown(monitor)[1] == '"MULTI"'
    assert monitor("PING") == "QUEUED"
    assert monitor("EXEC") == ["PONG"]
    assert [shown(monitor)[1] for _ in range(2)] == ['"PING"', '"EXEC"']
    assert monitor("MULTI") == "OK"
    assert shown(monitor)[1] == '"MULTI"'
    assert monitor("GET", "k") == REFUSED
    assert monitor("EXEC").code == "EXECABORT"


def test_it_is_not_held_by_a_pause_but_refused(raw, another):
    monitor = watching(another)
    raw.ok("CLIENT", "PAUSE", 10000, "WRITE")
    assert monitor("SET", "k", 1) == REFUSED
    raw.ok("CLIENT", "UNPAUSE")
