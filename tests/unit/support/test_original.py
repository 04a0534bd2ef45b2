"""What one test leaves behind in a shared server, the next one does not find."""

import pytest

from tests.support.original import Original
from tests.support.pace import patience
from tests.support.resp import Connection
from tests.support.server import wait_until

LIBRARY = "#!lua name=l\nredis.register_function('f', function() return 1 end)"


@pytest.fixture
def original(server) -> Original:
    return Original(server)


@pytest.mark.parametrize(
    ("mess", "question", "right"),
    [
        (("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "GET", "maxmemory"), [b"maxmemory", b"0"]),
        (("CONFIG", "SET", "maxmemory", "1"), ("SET", "k", "v"), "OK"),
        (("CONFIG", "SET", "save", "900 1", "appendfsync", "no"), ("CONFIG", "GET", "save"), [b"save", b""]),
        (("CONFIG", "SET", "maxclients", "1"), ("CONFIG", "GET", "maxclients"), [b"maxclients", b"10000"]),
        (("SET", "k", "v"), ("DBSIZE",), 0),
        (("FUNCTION", "LOAD", LIBRARY), ("FUNCTION", "LIST"), []),
        (("EVAL", "return 1", "0"), ("SCRIPT", "EXISTS", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"), [0]),
        (("DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"), ("PING",), "PONG"),
        (("CLIENT", "PAUSE", "100000", "WRITE"), ("SET", "k", "v"), "OK"),
    ],
)
def test_everything_is_put_back(server, original, mess, question, right):
    with server.connect() as c:
        c.ok(*mess)
    assert original.restore()
    with server.connect() as c:
        assert c(*question) == right


def test_switches_are_put_back(server, original):
    with server.connect() as c:
        for words in (("SET-ACTIVE-EXPIRE", "0"), ("FAST-PATHS", "no"), ("QUICKLIST-PACKED-THRESHOLD", "100")):
            c.ok("DEBUG", *words)
    assert original.restore()
    with server.connect() as c:
        c.ok("SET", "k", "v", "PX", 1)
        wait_until(lambda: c("DBSIZE") == 0, "expired keys go by themselves again")
        c.ok("RPUSH", "l", "x" * 500, "y")
        assert c.ok("OBJECT", "ENCODING", "l") == b"listpack"


def test_a_busy_script_is_killed(server, original):
    with server.connect() as running, server.connect() as other:
        other.ok("CONFIG", "SET", "busy-reply-threshold", 10)
        running.send("EVAL", "while true do end", 0)
        wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
        assert original.restore()
    with server.connect() as c:
        assert c("CONFIG", "GET", "busy-reply-threshold") == [b"busy-reply-threshold", b"5000"]


def test_other_clients_are_ended(server, original):
    monitor, subscriber, waiting = (Connection(server.port) for _ in range(3))
    with monitor, subscriber, waiting, server.connect() as c:
        monitor("MONITOR")
        subscriber("SUBSCRIBE", "c")
        waiting.send("BLPOP", "k", 0)
        wait_until(lambda: c.ok("CLIENT", "LIST").count(b"\n") == 4, "all are there")
        assert original.restore()
    with server.connect() as c:
        wait_until(lambda: c.ok("CLIENT", "LIST").count(b"\n") == 1, "only this client is left")


def test_users_of_a_real_server(peer):
    original = Original(peer)
    with peer.connect() as c:
        before = c.ok("ACL", "LIST")
        c.ok("ACL", "SETUSER", "alice", "on", ">secret", "~a*", "+get")
        c.ok("ACL", "SETUSER", "default", "-flushall", "resetkeys", "~a*")
    assert original.restore()
    with peer.connect() as c:
        assert c.ok("ACL", "LIST") == before


def test_a_password_cannot_be_taken_back(server, original):
    with server.connect() as c:
        c.ok("CONFIG", "SET", "requirepass", "secret")
    assert not original.restore()


SHARED = """
def test_it_is_ended(raw):
    raw.send("SHUTDOWN", "NOSAVE")

def test_there_is_another(raw):
    assert raw("PING") == "PONG"

def test_a_password_is_set(raw):
    raw.ok("CONFIG", "SET", "requirepass", "secret")
    raw.ok("SET", "k", 1)

def test_nobody_knows_it(raw):
    assert raw("GET", "k") is None

def test_it_dies(raw):
    raw("DEBUG", "SEGFAULT")

def test_a_script_runs(raw, another):
    raw.ok("CONFIG", "SET", "busy-reply-threshold", 10)
    raw("EVAL", "while true do end", 0)

def test_no_script_runs(raw):
    assert raw("PING") == "PONG"
"""


def test_who_ends_the_server_is_told_its_log_and_the_next_get_another(run_of_tests):
    run = run_of_tests(SHARED, "-o", "timeout=4", "-rA")
    text = run.communicate(timeout=patience(60))[0]
    assert "ERROR " in text and "::test_it_is_ended" in text, text
    assert "the server ended during this test: Server on port" in text and "User requested shutdown" in text
    assert "::test_it_dies" in text and "REDIS BUG REPORT" in text.upper()
    assert "Timeout" in text
    # Hung and died fail themselves; ended and died are told of by name.
    assert "2 failed, 5 passed, 2 errors" in text, text
