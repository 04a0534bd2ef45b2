"""Publish and subscribe through the socket."""

import pytest

from tests.support.resp import Push, RespError, Status
from tests.support.server import wait_until


def subscribed(connection, *command):
    connection.send(*command)
    return connection.read_many(max(1, len(command) - 1))


@pytest.mark.parametrize("protocol", [2, 3])
class TestListening:
    def test_channels(self, raw, another, protocol):
        c = another(protocol=protocol)
        assert subscribed(c, "SUBSCRIBE", "a", "b") == [[b"subscribe", b"a", 1], [b"subscribe", b"b", 2]]
        assert subscribed(c, "SUBSCRIBE", "a") == [[b"subscribe", b"a", 2]]
        assert raw("PUBLISH", "a", "hello") == 1
        message = c.read()
        assert message == [b"message", b"a", b"hello"]
        assert isinstance(message, Push) == (protocol == 3)
        assert raw("PUBLISH", "c", "x") == 0
        assert subscribed(c, "UNSUBSCRIBE", "a") == [[b"unsubscribe", b"a", 1]]
        assert raw("PUBLISH", "a", "x") == 0
        assert subscribed(c, "UNSUBSCRIBE") == [[b"unsubscribe", b"b", 0]]
        assert subscribed(c, "UNSUBSCRIBE") == [[b"unsubscribe", None, 0]]
        assert c("PING") == Status("PONG")

    def test_patterns_come_after_channels(self, raw, another, protocol):
        c = another(protocol=protocol)
        assert subscribed(c, "PSUBSCRIBE", "n*", "*") == [[b"psubscribe", b"n*", 1], [b"psubscribe", b"*", 2]]
        assert subscribed(c, "SUBSCRIBE", "news") == [[b"subscribe", b"news", 3]]
        assert raw("PUBLISH", "news", "x") == 3
        assert c.read_many(3) == [[b"message", b"news", b"x"], [b"pmessage", b"n*", b"news", b"x"],
                                  [b"pmessage", b"*", b"news", b"x"]]
        assert subscribed(c, "PUNSUBSCRIBE", "n*") == [[b"punsubscribe", b"n*", 2]]
        assert raw("PUBLISH", "news", "y") == 2

    def test_shard_channels_are_apart(self, raw, another, protocol):
        c = another(protocol=protocol)
        assert subscribed(c, "SSUBSCRIBE", "a") == [[b"ssubscribe", b"a", 1]]
        assert subscribed(c, "SUBSCRIBE", "a") == [[b"subscribe", b"a", 1]]
        assert raw("SPUBLISH", "a", "s") == 1
        assert raw("PUBLISH", "a", "p") == 1
        assert c.read_many(2) == [[b"smessage", b"a", b"s"], [b"message", b"a", b"p"]]
        assert subscribed(c, "SUNSUBSCRIBE") == [[b"sunsubscribe", b"a", 0]]

    def test_large_messages(self, raw, another, protocol):
        c = another(protocol=protocol)
        subscribed(c, "SUBSCRIBE", "big")
        text = b"x" * 300_000
        assert raw("PUBLISH", "big", text) == 1
        assert c.read() == [b"message", b"big", text]


def test_what_a_resp2_subscriber_may_do(both):
    both("SUBSCRIBE", "a")
    both("GET", "k")
    both("CLIENT", "LIST")
    both("MULTI")
    both("PING")
    both("PSUBSCRIBE", "p*")
    both("UNSUBSCRIBE")
    both("PUNSUBSCRIBE")
    both("GET", "k")
    both("UNSUBSCRIBE", "never")
    both("SUBSCRIBE", "b")
    both("RESET")
    both("GET", "k")


def test_a_resp3_subscriber_may_do_anything(raw3):
    subscribed(raw3, "SUBSCRIBE", "a")
    assert raw3("SET", "k", "v") == Status("OK")
    assert raw3("GET", "k") == b"v"


def test_pubsub_looks(raw, another):
    c = another()
    subscribed(c, "SUBSCRIBE", "news.a", "news.b", "other")
    subscribed(c, "PSUBSCRIBE", "x*", "y*")
    subscribed(c, "SSUBSCRIBE", "shard")
    assert sorted(raw("PUBSUB", "CHANNELS")) == [b"news.a", b"news.b", b"other"]
    assert sorted(raw("PUBSUB", "CHANNELS", "news.*")) == [b"news.a", b"news.b"]
    assert raw("PUBSUB", "NUMSUB", "other", "none") == [b"other", 1, b"none", 0]
    assert raw("PUBSUB", "NUMPAT") == 2
    assert raw("PUBSUB", "SHARDCHANNELS") == [b"shard"]
    assert raw("PUBSUB", "SHARDNUMSUB", "shard") == [b"shard", 1]


def test_pubsub_arguments(both):
    both("PUBSUB")
    both("PUBSUB", "NOSUCH")
    both("PUBSUB", "NUMPAT", "x")
    both("PUBSUB", "CHANNELS", "a", "b")
    both("PUBSUB", "NUMSUB")
    both("SUBSCRIBE")
    both("PUBLISH", "a")


def test_a_subscriber_that_leaves_is_forgotten(raw, another):
    c = another()
    subscribed(c, "SUBSCRIBE", "a")
    assert raw("PUBLISH", "a", "x") == 1
    c.close()
    wait_until(lambda: raw("PUBLISH", "a", "x") == 0)
    assert raw("PUBSUB", "CHANNELS") == []


def test_subscriptions_are_told_with_replies_off(raw, another):
    c = another()
    c.send("CLIENT", "REPLY", "OFF")
    assert subscribed(c, "SUBSCRIBE", "a") == [[b"subscribe", b"a", 1]]
    assert raw("PUBLISH", "a", "x") == 1
    assert c.read() == [b"message", b"a", b"x"]


def test_keyspace_events(raw3, another, configure):
    configure("notify-keyspace-events", "KEA")
    other = another()
    subscribed(raw3, "PSUBSCRIBE", "__key*__:*")
    other.ok("SET", "k", "v")
    assert raw3.read_many(2) == [[b"pmessage", b"__key*__:*", b"__keyspace@0__:k", b"set"],
                                 [b"pmessage", b"__key*__:*", b"__keyevent@0__:set", b"k"]]
    raw3.send("SET", "mine", "v")
    assert raw3.read() == Status("OK"), "events of one's own command come after its reply"
    assert raw3.read()[2] == b"__keyspace@0__:mine"


def test_wrong_arity(raw):
    assert raw("SUBSCRIBE") == RespError("ERR wrong number of arguments for 'subscribe' command")
