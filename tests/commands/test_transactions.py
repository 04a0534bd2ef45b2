"""MULTI, EXEC, DISCARD, WATCH, UNWATCH through the socket."""

import time

import pytest

from tests.support.pace import patience
from tests.support.resp import Push, RespError, Status
from tests.support.server import wait_until

ABORTED = RespError("EXECABORT Transaction discarded because of previous errors.")
QUEUED = Status("QUEUED")


def test_a_transaction(both):
    both("MULTI")
    both("SET", "a", "1")
    both("INCR", "a")
    both("GET", "a")
    both("EXEC")
    both("GET", "a")


def test_outside_and_nested(both):
    both("EXEC")
    both("DISCARD")
    both("MULTI")
    both("MULTI")
    both("WATCH", "x")
    both("PING")
    both("EXEC")


def test_errors_of_single_commands_stop_nothing(both):
    both("SET", "s", "text")
    both("MULTI")
    both("INCR", "s")
    both("SET", "after", "1")
    both("EXEC")
    both("GET", "after")


def test_a_refused_command_spoils_the_transaction(both):
    for wrong in (("NOSUCH",), ("GET",), ("CLIENT", "NOSUCH")):
        both("MULTI")
        both("SET", "k", "1")
        both(*wrong, code_only=True)
        both("SET", "k", "2")
        both("EXEC")
        both("GET", "k")
        both("PING")


def test_discard(both):
    both("MULTI")
    both("SET", "k", "1")
    both("DISCARD")
    both("GET", "k")
    both("EXEC")


def test_an_empty_transaction(both):
    both("MULTI")
    both("EXEC")


def test_the_database_may_change_on_the_way(both):
    both("MULTI")
    both("SET", "k", "0")
    both("SELECT", "1")
    both("SET", "k", "1")
    both("EXEC")
    both("GET", "k")
    both("SELECT", "0")
    both("GET", "k")


def test_the_protocol_may_change_on_the_way(raw):
    raw.pipeline([("MULTI",), ("GET", "none"), ("HELLO", "3"), ("GET", "none")])
    raw.send("EXEC")
    assert raw.read_raw(9) == b"*3\r\n$-1\r\n"
    assert raw.read()[b"proto"] == 3
    assert raw.read_raw(3) == b"_\r\n"


class TestWatch:
    def test_a_change_by_another(self, raw, another):
        raw.ok("WATCH", "x", "y")
        another().ok("SET", "y", "1")
        raw.pipeline([("MULTI",), ("SET", "z", "1")])
        assert raw("EXEC") == None  # noqa: E711
        assert raw("EXISTS", "z") == 0

    def test_no_change(self, both):
        both("SET", "x", "1")
        both("WATCH", "x")
        both("GET", "x")
        both("MULTI")
        both("PING")
        both("EXEC")

    def test_our_own_change_counts(self, both):
        both("WATCH", "x")
        both("SET", "x", "1")
        both("MULTI")
        both("PING")
        both("EXEC")

    @pytest.mark.parametrize("forget", ["UNWATCH", "DISCARD", "EXEC"])
    def test_what_ends_it(self, both, forget):
        both("WATCH", "x")
        if forget != "UNWATCH":
            both("MULTI")
        both(forget)
        both("SET", "x", "1")
        both("MULTI")
        both("PING")
        both("EXEC")

    def test_unwatch_forgives(self, both):
        both("WATCH", "x")
        both("SET", "x", "1")
        both("UNWATCH")
        both("MULTI")
        both("PING")
        both("EXEC")

    def test_another_database_is_another_key(self, both):
        both("WATCH", "x")
        both("SELECT", "1")
        both("SET", "x", "1")
        both("SELECT", "0")
        both("MULTI")
        both("PING")
        both("EXEC")

    def test_a_spoiled_and_dirty_transaction_is_aborted(self, both):
        both("WATCH", "x")
        both("SET", "x", "1")
        both("MULTI")
        both("NOSUCH", code_only=True)
        both("EXEC")

    def test_a_key_that_expires_meanwhile(self, raw):
        life = patience(0.05)              # long enough to be there when it is watched
        raw.ok("SET", "x", "1", "PX", str(int(life * 1000)))
        raw.ok("WATCH", "x")
        time.sleep(life + 0.01)            # nobody looks at it
        raw.pipeline([("MULTI",), ("PING",)])
        assert raw("EXEC") == None  # noqa: E711

    def test_queued_while_watching_without_fast_paths(self, raw, another):
        """Another's write goes through the fast path when nobody watches, and must not when somebody does."""
        other = another()
        raw.ok("SET", "n", "1")
        raw.ok("WATCH", "n")
        assert other("INCR", "n") == 2
        raw.ok("MULTI")
        assert raw("EXEC") == None  # noqa: E711
        raw.ok("MULTI")
        assert other("INCR", "n") == 3
        assert raw("EXEC") == []

    def test_a_client_that_left_watches_nothing(self, raw, another):
        gone = another()
        gone.ok("WATCH", "x")
        gone.close()
        wait_until(lambda: len(raw("CLIENT", "LIST").splitlines()) == 1)
        raw.ok("SET", "x", "1")
        assert raw("GET", "x") == b"1"


def test_subscribing_in_a_transaction(raw):
    raw.pipeline([("MULTI",), ("SUBSCRIBE", "a"), ("SUBSCRIBE", "b")])
    assert raw("EXEC") == [[b"subscribe", b"a", 1], [b"subscribe", b"b", 2]]


def test_messages_to_oneself_come_after_the_reply(raw3):
    raw3.send("SUBSCRIBE", "ch")
    assert raw3.read() == Push([b"subscribe", b"ch", 1])
    raw3.send("PUBLISH", "ch", "hi")
    assert raw3.read_many(2) == [1, [b"message", b"ch", b"hi"]]
    for c in (("MULTI",), ("PING",), ("PUBLISH", "ch", "one"), ("PING",)):
        raw3.ok(*c)
    raw3.send("EXEC")
    assert raw3.read_many(2) == [[Status("PONG"), 1, Status("PONG")], [b"message", b"ch", b"one"]]


def test_multi_shows_in_client_list(raw):
    raw.ok("MULTI")
    raw.ok("PING")
    raw.ok("CLIENT", "INFO")
    line = raw("EXEC")[1].decode()
    assert " multi=2 " in line and " flags=x " in line
