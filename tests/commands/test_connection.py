"""AUTH, HELLO, PING, ECHO, SELECT, RESET, QUIT through the socket."""

import os
from pathlib import Path

import pytest

from tests.support.peer import peer_version
from tests.support.resp import RespError, Status
from tests.support.server import wait_until


def test_ping(both):
    both("PING")
    both("PING", "hello")
    both("PING", "a", "b")
    both("ping")
    both("PING", b"\x00\xff")


def test_echo(both):
    both("ECHO", "x")
    both("ECHO", "")
    both("ECHO")
    both("ECHO", "a", "b")


def test_select(both):
    both("SELECT", "15")
    both("SELECT", "16")
    both("SELECT", "-1")
    both("SELECT", "x")
    both("SELECT", "1.5")
    both("SELECT", "2147483647")
    both("SELECT", "2147483648")
    both("SELECT", "99999999999999999999")
    both("SET", "select", "in15")
    both("SELECT", "0")
    both("GET", "select")
    both("SELECT", "15")
    both("GET", "select")


def test_words_for_a_cluster(both):
    for word in ("READONLY", "READWRITE", "ASKING"):
        both(word)
        both(word, "x")


class TestHello:
    def test_describes_the_connection(self, raw):
        reply = raw("HELLO", 3)
        assert list(reply) == [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"]
        assert (reply[b"server"], reply[b"proto"]) == (b"redis", 3)
        assert (reply[b"mode"], reply[b"role"]) == (b"standalone", b"master")
        assert reply[b"id"] == raw("CLIENT", "ID")
        assert raw("HELLO")[b"proto"] == 3
        flat = raw("HELLO", 2)
        assert isinstance(flat, list) and flat[4:6] == [b"proto", 2]

    def test_errors(self, both):
        both("HELLO", "x")
        both("HELLO", "1")
        both("HELLO", "4")
        both("HELLO", "3", "FOO")
        both("HELLO", "3", "AUTH", "default")
        both("HELLO", "3", "SETNAME")
        both("HELLO", "3", "SETNAME", "a b")
        both("HELLO", "3", "AUTH", "nobody", "x")
        both("HELLO", "3", "SETNAME", "a", "AUTH", "nobody", "x")
        if peer_version() < (7, 2):
            assert both("CLIENT", "GETNAME", peer_says=b"a") is None, "7.2 takes the name only after the login"
        else:
            assert both("CLIENT", "GETNAME") is None

    def test_takes_a_name(self, raw):
        raw.ok("HELLO", 2, "SETNAME", "me", "AUTH", "default", "anything")
        assert raw("CLIENT", "GETNAME") == b"me"


class TestAuthentication:
    def test_without_a_password(self, both):
        both("AUTH", "x")
        both("AUTH", "default", "x")
        both("AUTH", "nobody", "x")
        both("AUTH", "a", "b", "c")
        both("AUTH")

    def test_with_a_password(self, new_server):
        server = new_server(requirepass="secret")
        c = server.connect()
        assert c("GET", "k") == RespError("NOAUTH Authentication required.")
        assert c("PING") == RespError("NOAUTH Authentication required.")
        assert c("HELLO").code == "NOAUTH"
        assert c("AUTH", "wrong").text == "WRONGPASS invalid username-password pair or user is disabled."
        assert c("AUTH", "nobody", "secret").code == "WRONGPASS"
        assert c("GET", "k").code == "NOAUTH"
        assert c("AUTH", "secret") == Status("OK")
        assert c("SET", "k", "v") == Status("OK")
        assert c("RESET") == Status("RESET")
        assert c("GET", "k").code == "NOAUTH"
        assert c("HELLO", 3, "AUTH", "default", "secret")[b"proto"] == 3
        assert c("GET", "k") == b"v"

    def test_the_password_may_change(self, new_server):
        server = new_server()
        old, new = server.connect(), None
        old.ok("CONFIG", "SET", "requirepass", "secret")
        assert old("PING") == Status("PONG"), "who is in stays in"
        new = server.connect()
        assert new("PING").code == "NOAUTH"
        old.ok("CONFIG", "SET", "requirepass", "")
        assert new("PING") == Status("PONG")

    def test_an_unknown_command_does_not_need_a_password(self, new_server):
        c = new_server(requirepass="secret").connect()
        assert c("NOSUCH").text.startswith("ERR unknown command 'NOSUCH'")


def test_quit_answers_and_closes(raw):
    raw.send_raw(b"*1\r\n$4\r\nQUIT\r\n*3\r\n$3\r\nSET\r\n$1\r\nq\r\n$1\r\n1\r\n")
    assert raw.read() == Status("OK")
    assert raw.is_closed()


def test_nothing_after_quit_is_executed(raw, another):
    raw.send_raw(b"QUIT\r\nSET q 1\r\n")
    assert raw.read_until_closed() == b"+OK\r\n"
    assert another()("EXISTS", "q") == 0


class TestReset:
    def test_everything_is_as_new(self, raw3, another):
        raw3.ok("SELECT", 5)
        raw3.ok("CLIENT", "SETNAME", "me")
        raw3.ok("CLIENT", "NO-EVICT", "on")
        raw3.ok("CLIENT", "SETINFO", "lib-name", "mine")
        raw3.send("SUBSCRIBE", "ch")
        raw3.read()
        raw3.ok("WATCH", "k")
        raw3.ok("MULTI")
        assert raw3("RESET") == Status("RESET")
        line = another()("CLIENT", "LIST").decode().splitlines()[0]
        fields = dict(pair.split("=", 1) for pair in line.split(" "))
        assert (fields["db"], fields["name"], fields["flags"], fields["sub"]) == ("0", "", "N", "0")
        assert (fields["multi"], fields["resp"], fields["lib-name"]) == ("-1", "2", "mine")
        assert raw3("EXEC") == RespError("ERR EXEC without MULTI")

    def test_replies_are_back(self, raw):
        raw.send("CLIENT", "REPLY", "OFF")
        assert raw("RESET") == Status("RESET")
        assert raw("PING") == Status("PONG")


@pytest.mark.parametrize("protocol", [2, 3])
def test_ping_of_a_subscriber(another, protocol):
    c = another(protocol=protocol)
    c.send("SUBSCRIBE", "ch")
    c.read()
    assert c("PING") == ([b"pong", b""] if protocol == 2 else Status("PONG"))
    assert c("PING", "x") == ([b"pong", b"x"] if protocol == 2 else b"x")


def test_wrong_passwords_are_counted(raw, configure):
    def all_denied():
        return int(raw.ok("INFO", "stats").split(b"acl_access_denied_auth:")[1].split(b"\r")[0])

    def denied():
        return all_denied() - before

    before = all_denied()
    assert raw("AUTH", "x").code == "ERR"           # none is asked for
    assert denied() == 0
    assert raw("AUTH", "nobody", "x").code == "WRONGPASS"
    configure("requirepass", "secret")
    assert raw("AUTH", "wrong").code == "WRONGPASS"
    assert raw("HELLO", 3, "AUTH", "default", "wrong").code == "WRONGPASS"
    assert raw("AUTH", "secret") == "OK"
    assert denied() == 3
    raw.ok("CONFIG", "RESETSTAT")
    assert denied() == 3, "as in Redis"


KEEPALIVE = 2                           # of /proc/net/tcp: the timer that runs


def timer_of(server, connection):
    """Which timer runs for the server's end of a connection, and how many seconds it has left."""
    peer = connection.socket.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        ports = [int(word.rpartition(":")[2], 16) for word in words[1:3]]
        if ports == [server.port, peer]:
            timer, left = words[5].split(":")
            return int(timer, 16), int(left, 16) / os.sysconf("SC_CLK_TCK")
    raise AssertionError("no such connection")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc/net/tcp here")
def test_keepalive_is_of_connections_that_come(server, another, configure):
    """Also of those to listeners that there were when it was changed."""
    for seconds in (300, 5000, 0, 60):
        configure("tcp-keepalive", seconds)
        connection = another()
        assert connection("PING") == Status("PONG")
        wait_until(lambda: timer_of(server, connection)[0] in ((KEEPALIVE,) if seconds else (0,)))  # noqa: B023
        assert seconds - 30 < timer_of(server, connection)[1] <= seconds or not seconds
