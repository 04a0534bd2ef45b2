"""Whatever known nodes say, in whatever order: the tables agree with each other, and nothing is raised."""

import random

import pytest

from server.cluster import slots
from server.cluster.actions import Close, Connect
from server.cluster.bus_format import decode, encode
from server.cluster.messages import (
    Body,
    Failing,
    Forgotten,
    Gossip,
    Heartbeat,
    Message,
    ModuleMessage,
    Published,
    Type,
    Update,
)
from server.cluster.node import Link
from server.registry.errors import CommandError
from tests.support.one_node import OneNode, only

STRANGER = "9" * 40


def someone(rng: random.Random, one: OneNode) -> str:
    return rng.choice((*one.view.nodes, *one.names, STRANGER))


def some_slots(rng: random.Random) -> int:
    first = rng.randrange(slots.COUNT)
    return rng.choice((0, slots.ALL, slots.span(first, min(first + rng.randrange(6000), slots.COUNT - 1))))


def gossip(rng: random.Random, one: OneNode) -> Gossip:
    return Gossip(someone(rng, one), rng.choice((0, 1, 2**32 - 1)), rng.choice((0, one.now // 1000, 2**32 - 1)),
                  rng.choice(("", "10.0.0.1", "::1")), rng.randrange(65536), rng.randrange(65536),
                  rng.randrange(1024), 0)


def body_of(kind: Type, rng: random.Random, one: OneNode) -> Body:
    if kind <= Type.MEET:
        forgotten = [Forgotten(someone(rng, one), rng.choice((0, 60, 2**64 - 1)))] if rng.random() < 0.05 else []
        return Heartbeat([gossip(rng, one) for _ in range(rng.randrange(4))], "", "", forgotten,
                         rng.choice(("", someone(rng, one))))
    if kind == Type.FAIL:
        return Failing(someone(rng, one))
    if kind in (Type.PUBLISH, Type.PUBLISHSHARD):
        return Published(b"c", b"m")
    if kind == Type.UPDATE:
        return Update(rng.randrange(12), someone(rng, one), some_slots(rng))
    return ModuleMessage(bytes(8), 1, b"") if kind == Type.MODULE else None


def anything(rng: random.Random, one: OneNode) -> Message:
    kind = rng.choice(list(Type))
    message = Message(kind, someone(rng, one), rng.choice((0, one.view.current_epoch, one.view.current_epoch + 1)),
                      rng.randrange(12), rng.randrange(3000), some_slots(rng), rng.choice(("", someone(rng, one))),
                      rng.choice(("", "10.0.0.3")), 1, 0, 10_001, rng.randrange(1024), True, rng.randrange(4),
                      body_of(kind, rng, one))
    return decode(encode(message))


def anyhow(rng: random.Random, one: OneNode) -> None:
    """One more step."""
    node = rng.choice(list(one.view.nodes.values()))
    link = rng.choice((node.link, node.inbound_link, Link(None, one.now, "10.0.0.9", "10.0.0.0")))
    chance = rng.random()
    if chance < 0.1:
        one.now += rng.choice((100, 3000, 30_000))
        for connect in only(one.protocol.tick(one.now), Connect):
            if rng.random() < 0.7:
                one.protocol.link_up(connect.link, one.now)
            else:
                one.protocol.link_lost(connect.link, one.now)
    elif chance < 0.15 and link is not None:
        one.protocol.link_lost(link, one.now)
    elif chance < 0.2:
        try:
            rng.choice((lambda: one.operator.forget(node.name, one.now), lambda: one.operator.replicate(node.name),
                        lambda: one.operator.failover(one.now, takeover=rng.random() < 0.5),
                        lambda: one.operator.importing(rng.randrange(99), node.name),
                        lambda: one.operator.set_owner(rng.randrange(99), node.name, one.now),
                        lambda: one.operator.meet("10.0.0.9", 1, 2, one.now)))()
        except CommandError:
            pass
    elif link is not None:
        actions = one.protocol.receive(link, anything(rng, one), one.now)
        assert all(action.link is not None for action in only(actions, Close))
    one.protocol.before_sleep(one.now)


@pytest.mark.parametrize("seed", range(12))
def test_the_tables_stay_in_agreement(seed: int) -> None:
    rng = random.Random(seed)
    one = OneNode(masters=3, replicas=1, me=rng.choice((0, 3)))
    epoch = 0
    for _ in range(300):
        anyhow(rng, one)
        one.view.check()
        assert one.view.current_epoch >= epoch
        epoch = one.view.current_epoch


def test_we_may_meet_ourselves() -> None:
    one = OneNode()
    mine = one.view.myself.slots
    one.do(one.operator.meet, "10.0.0.0", 1, 10_000, one.now)
    (link,) = [action.link for action in only(one.pass_time(100), Connect) if action.link.node.in_handshake]
    (meet,) = one.sent(one.protocol.link_up(link, one.now), Type.MEET)
    inbound = Link(None, one.now, "10.0.0.0", "10.0.0.0")
    (pong,) = one.sent(one.protocol.receive(inbound, meet, one.now), Type.PONG)
    one.protocol.receive(link, pong, one.now)
    assert len(one.view.nodes) == 6 and one.view.myself.slots == mine
    assert one.view.myself.inbound_link is None
    one.view.check()


def test_somebody_with_our_name_is_not_believed() -> None:
    one = OneNode()
    mine = one.view.myself.slots
    message = one.message(1, Type.PING, slots=0, current_epoch=99, master=one.names[2])
    message.sender = one.names[0]
    for kind in (Type.PING, Type.FAILOVER_AUTH_REQUEST, Type.MFSTART):
        message.type = kind
        one.protocol.receive(Link(None, one.now, "10.0.0.9", "10.0.0.0"), message, one.now)
    assert one.view.myself.slots == mine and one.view.myself.is_master and one.view.current_epoch == 3
