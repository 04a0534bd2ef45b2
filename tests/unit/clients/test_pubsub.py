"""The bookkeeping of subscriptions: a state machine against a model."""

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.clients.client import SUBSCRIBED, Client
from server.clients.pubsub import PubSub
from server.keyspace.database import Keyspace

DB = Keyspace(1).databases[0]
NAMES = st.sampled_from([b"a", b"b", b"*", b"a*", b"__keyspace@0__:a", b"__key*", b"__keyspace@1__:?"])
WHO = st.integers(0, 2)
KINDS = st.sampled_from(["", "p", "s"])


class Subscribing(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.pubsub = PubSub()
        self.of_keys = (set(), [])
        self.pubsub.on_key_listeners = lambda: setattr(self, "of_keys", self.pubsub.of_keys())
        self.clients = [Client(i, DB) for i in range(3)]
        self.model = set()

    def count(self, who, kind):
        kinds = ("s",) if kind == "s" else ("", "p")
        return sum(1 for w, k, _ in self.model if w == who and k in kinds)

    @rule(who=WHO, kind=KINDS, name=NAMES)
    def subscribe(self, who, kind, name):
        self.model.add((who, kind, name))
        assert getattr(self.pubsub, f"{kind}subscribe")(self.clients[who], name) == self.count(who, kind)
        self.pubsub.settle(self.clients[who])

    @rule(who=WHO, kind=KINDS, name=NAMES)
    def unsubscribe(self, who, kind, name):
        self.model.discard((who, kind, name))
        assert getattr(self.pubsub, f"{kind}unsubscribe")(self.clients[who], name) == self.count(who, kind)
        self.pubsub.settle(self.clients[who])

    @rule(who=WHO)
    def forget(self, who):
        self.pubsub.forget(self.clients[who])
        self.model = {entry for entry in self.model if entry[0] != who}

    @rule(channel=st.sampled_from([b"a", b"b", b"ab"]))
    def publish(self, channel):
        direct = sum(1 for _, kind, name in self.model if kind == "" and name == channel)
        patterns = sum(1 for _, kind, name in self.model
                       if kind == "p" and (name in (channel, b"*") or name == b"a*" and channel.startswith(b"a")))
        assert self.pubsub.publish(channel, b"x") == direct + patterns
        assert self.pubsub.spublish(channel, b"x") == sum(1 for _, k, n in self.model if k == "s" and n == channel)

    @invariant()
    def agrees(self):
        self.pubsub.check()
        of_keys = {("", b"__keyspace@0__:a"), ("p", b"*"), ("p", b"__key*"), ("p", b"__keyspace@0__:a"),
                   ("p", b"__keyspace@1__:?"), ("", b"__keyspace@1__:?")}
        channels, patterns = self.of_keys
        assert {("", name) for name in channels} | {("p", name) for name in patterns} == {
            entry[1:] for entry in self.model if entry[1:] in of_keys}
        for who, client in enumerate(self.clients):
            listens = any(entry[0] == who for entry in self.model)
            assert bool(client.slow & SUBSCRIBED) == listens == (client.subscriptions is not None)


TestSubscribing = Subscribing.TestCase
TestSubscribing.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_a_resp3_subscriber_keeps_its_fast_paths():
    pubsub, client = PubSub(), Client(1, DB)
    client.resp = 3
    pubsub.subscribe(client, b"a")
    pubsub.settle(client)
    assert not client.slow & SUBSCRIBED
    client.resp = 2
    pubsub.settle(client)
    assert client.slow & SUBSCRIBED


def test_messages_wait_while_a_command_of_the_client_runs():
    pubsub, client = PubSub(), Client(1, DB)
    pubsub.subscribe(client, b"a")
    client.hold_pushes()
    assert pubsub.publish(b"a", b"text") == 1
    assert client.output_bytes == 0
    client.release_pushes()
    assert client.output_bytes == len(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\ntext\r\n")
