"""Keyspace notifications: which classes of events are made, and who gets what, as subscriptions come and go."""

import pytest

from server.clients.client import Client
from server.clients.key_events import KeyEvents
from server.clients.pubsub import PubSub
from server.keyspace.database import Keyspace

DB = Keyspace(1).databases[0]


class Listening:
    """Key events of two databases, and one client that listens; what it would be told is what it holds back."""

    def __init__(self, flags="KEg$x", protocol=2):
        self.pubsub = PubSub()
        self.events = KeyEvents(self.pubsub, 2)
        self.pubsub.on_key_listeners = self.events.listeners_changed
        self.told = []
        self.events.on_audience = self.told.append
        self.events.set_flags(flags)
        self.client = Client(1, DB)
        self.client.resp = protocol
        self.client.hold_pushes()

    def heard(self):
        """The messages since the last look, as they go out."""
        held = [message.wire for message in self.client.held]
        self.client.hold_pushes()
        return held


@pytest.mark.parametrize(("name", "classes"), [
    (b"__keyevent@0__:expired", "x"),
    (b"__keyevent@1__:set", "$"),
    (b"__keyevent@2__:set", ""),            # no such database
    (b"__keyevent@0__:no-such-event", ""),
    (b"__keyevent@0__:sadd", ""),           # a class that is off
    (b"__keyspace@0__:k", "KEg$x"),         # any event may happen to that key
    (b"other", ""),
])  # fmt: skip
def test_a_channel_wants_its_class(name, classes):
    listening = Listening()
    listening.pubsub.subscribe(listening.client, name)
    assert listening.events.classes == classes
    listening.pubsub.unsubscribe(listening.client, name)
    assert listening.events.classes == ""
    assert listening.told == ([classes, ""] if classes else [])


@pytest.mark.parametrize(("pattern", "classes"), [
    (b"__keyevent@*:set", "$"),
    (b"__keyevent@0__:e*", "gx"),
    (b"__keyevent@0__:?xpired", "x"),
    (b"*", "KEg$x"),
    (b"__key*", "KEg$x"),
    (b"__keyspace@0__:user:*", "KEg$x"),
    (b"news:*", ""),
])  # fmt: skip
def test_a_pattern_wants_what_it_matches(pattern, classes):
    listening = Listening()
    listening.pubsub.psubscribe(listening.client, pattern)
    assert sorted(listening.events.classes) == sorted(classes)


def test_without_e_nobody_hears_events():
    listening = Listening(flags="Kg$")
    listening.pubsub.subscribe(listening.client, b"__keyevent@0__:set")
    assert listening.events.classes == ""
    listening.events.set_flags("Eg$")
    assert listening.events.classes == "$"


def test_who_comes_and_goes_between_two_events():
    """What was looked up for the first event does not outlive a change."""
    listening = Listening(protocol=3)
    pubsub, client, events = listening.pubsub, listening.client, listening.events
    pubsub.subscribe(client, b"__keyevent@0__:set")
    events.notify(0, "set", b"k")
    events.notify(1, "set", b"k")
    assert listening.heard() == [b">3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:set\r\n$1\r\nk\r\n"]
    pubsub.psubscribe(client, b"*:set")
    events.notify(0, "set", b"k")
    assert [b"pmessage" in wire for wire in listening.heard()] == [False, True]
    pubsub.unsubscribe(client, b"__keyevent@0__:set")
    events.notify(0, "set", b"k")
    assert [b"pmessage" in wire for wire in listening.heard()] == [True]
    pubsub.forget(client)
    events.notify(0, "set", b"k")
    assert listening.heard() == []


def test_the_protocol_is_the_receivers():
    listening = Listening()
    listening.pubsub.subscribe(listening.client, b"__keyevent@0__:del")
    listening.events.notify(0, "del", b"")
    assert listening.heard() == [b"*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:del\r\n$0\r\n\r\n"]
    listening.client.resp = 3
    listening.events.notify(0, "del", b"x")
    assert listening.heard()[0].startswith(b">3\r\n")
