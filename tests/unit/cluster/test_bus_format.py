"""The bytes of the cluster bus: of real nodes, there and back, and broken."""

import random

import pytest

from server.cluster import slots
from server.cluster.bus_format import HEADER, BadMessage, UnknownMessage, decode, encode, frame_length, size
from server.cluster.messages import (
    FORCE_ACK,
    MASTER,
    MIGRATE_TO,
    MYSELF,
    PFAIL,
    REPLICA,
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
from tests.support.bus_captures import CAPTURED

PEER = "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd"
ONE, TWO = "1" * 40, "2" * 40
GOSSIP = Gossip(TWO, 1700000000, 1700000001, "10.0.0.2", 7001, 17001, MASTER | PFAIL, 0)
FULL = Heartbeat([GOSSIP, GOSSIP._replace(name=PEER, ip="::1")], "one.example", "first", [Forgotten(TWO, 59)], ONE)
BODIES: list[tuple[Type, Body]] = [
    (Type.PING, Heartbeat()),
    (Type.PONG, FULL),
    (Type.MEET, Heartbeat([GOSSIP])),
    (Type.FAIL, Failing(TWO)),
    (Type.PUBLISH, Published(b"news", b"x" * 1000)),
    (Type.PUBLISHSHARD, Published(b"", b"")),
    (Type.FAILOVER_AUTH_REQUEST, None),
    (Type.FAILOVER_AUTH_ACK, None),
    (Type.UPDATE, Update(7, TWO, slots.span(1, 2))),
    (Type.MFSTART, None),
    (Type.MODULE, ModuleMessage(b"12345678", 255, b"payload")),
]
MESSAGES = [
    Message(kind, ONE, 9, 8, 12345, slots.span(0, 100), TWO, "10.0.0.1", 7000, 7443, 17000, REPLICA | MYSELF, False,
            FORCE_ACK, body)
    for kind, body in BODIES
]


@pytest.mark.parametrize("name", CAPTURED)
def test_what_real_nodes_send_is_what_we_would(name: str) -> None:
    raw = CAPTURED[name]
    message = decode(raw)
    assert message.type.name == name.split()[1].split("_PFAIL")[0].split("_FORGOTTEN")[0]
    assert encode(message) == raw
    assert frame_length(raw) == len(raw) == size(message)


def test_what_a_ping_of_7_2_says() -> None:
    ping = decode(CAPTURED["7.2.6 PING"])
    assert (ping.port, ping.bus_port, ping.flags, ping.ip) == (21801, 21851, REPLICA | MYSELF | MIGRATE_TO, "")
    assert len(ping.master) == 40 and ping.config_epoch == ping.current_epoch == 5
    assert isinstance(ping.body, Heartbeat)
    assert (ping.body.hostname, ping.body.nodename, len(ping.body.shard_id)) == ("one.example", "first", 40)
    (entry,) = ping.body.gossip
    assert (entry.name, entry.ip, entry.port, entry.flags & MASTER) == (PEER, "127.0.0.1", 21810, MASTER)


def test_what_a_node_forgot() -> None:
    ping = decode(CAPTURED["7.2.6 PING_FORGOTTEN"])
    assert isinstance(ping.body, Heartbeat)
    (forgotten,) = ping.body.forgotten
    assert 55 <= forgotten.ttl <= 60 and forgotten.name != PEER


def test_who_is_possibly_failing() -> None:
    for version in ("7.2.6", "7.0.15"):
        ping = decode(CAPTURED[f"{version} PING_PFAIL"])
        assert isinstance(ping.body, Heartbeat)
        assert [bool(entry.flags & PFAIL) for entry in ping.body.gossip][-1]


def test_what_an_update_says() -> None:
    update = decode(CAPTURED["7.2.6 UPDATE"])
    assert isinstance(update.body, Update)
    assert (update.body.name, update.body.slots) == (update.sender, slots.span(0, 99))


def test_what_is_published() -> None:
    assert decode(CAPTURED["7.0.15 PUBLISH"]).body == Published(b"chan", b"hello")


def test_the_one_who_forces_a_vote_says_so() -> None:
    assert decode(CAPTURED["7.2.6 FAILOVER_AUTH_REQUEST"]).marks == FORCE_ACK


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type.name)
def test_there_and_back(message: Message) -> None:
    raw = encode(message)
    assert decode(raw) == message
    assert len(raw) == size(message) == frame_length(raw)


def test_a_frame_that_has_not_come_yet() -> None:
    assert frame_length(b"") == frame_length(encode(MESSAGES[0])[:7]) == 0


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\n", b"RCmb\0\0\0\x10", b"RCmb" + bytes(4)])
def test_no_frame_of_this_bus(raw: bytes) -> None:
    with pytest.raises(BadMessage):
        frame_length(raw)


def changed(message: Message, offset: int, data: bytes) -> bytes:
    raw = bytearray(encode(message))
    raw[offset:offset + len(data)] = data
    return bytes(raw)


def relabelled(message: Message, raw: bytes) -> bytes:
    """With the length that it has now."""
    return raw[:4] + len(raw).to_bytes(4, "big") + raw[8:]


PONG = MESSAGES[1]
EXTENSIONS = HEADER.size + 2 * 104


@pytest.mark.parametrize(
    "raw",
    [
        encode(PONG)[:-1],
        relabelled(PONG, encode(PONG) + bytes(8)),
        changed(PONG, 4, (2**32 - 1).to_bytes(4, "big")),
        changed(PONG, 14, b"\xff\xff"),                                  # entries of gossip
        changed(PONG, 2214, b"\xff\xff"),                                # extensions
        changed(PONG, 2214, b"\x00\x01"),
        changed(PONG, EXTENSIONS, (0).to_bytes(4, "big")),               # an extension that never ends
        changed(PONG, EXTENSIONS, (7).to_bytes(4, "big")),
        changed(PONG, EXTENSIONS, (65536 + 24).to_bytes(4, "big")),      # is 24 in 16 bits
        changed(PONG, 40, b"\n"),                                        # in the sender's name
        changed(PONG, 40, b"A"),
        changed(PONG, 2128, b" "),                                       # in its master's
        changed(PONG, 2168, b"1 2"),                                     # in its address
        changed(PONG, HEADER.size, b"\0"),                               # in a name in gossip
        changed(PONG, HEADER.size + 48, b"\r\n"),                        # in an address there
        changed(MESSAGES[3], HEADER.size, b"-"),
        relabelled(MESSAGES[3], encode(MESSAGES[3])[:-1]),
        changed(MESSAGES[4], HEADER.size, b"\xff\xff\xff\xff"),
        changed(MESSAGES[4], HEADER.size + 3, b"\x05"),
        relabelled(MESSAGES[4], encode(MESSAGES[4])[:HEADER.size + 3]),
        relabelled(MESSAGES[6], encode(MESSAGES[6]) + b"x"),
        relabelled(MESSAGES[8], encode(MESSAGES[8])[:-1]),
        changed(MESSAGES[10], HEADER.size + 8, b"\xff\xff\xff\xff"),
    ],
)
def test_broken_messages_are_refused(raw: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(raw)


def test_a_newer_version_and_a_newer_type_may_be_skipped() -> None:
    for raw in (changed(PONG, 8, b"\0\x02"), changed(PONG, 12, b"\0\x0b")):
        with pytest.raises(UnknownMessage):
            decode(raw)


def test_an_extension_that_is_not_known_is_told_and_skipped() -> None:
    body = decode(changed(PONG, EXTENSIONS + 4, b"\0\x63")).body
    assert isinstance(body, Heartbeat)
    assert (body.unknown, body.hostname, body.nodename, body.shard_id) == ([99], "", "first", ONE)


def test_a_host_name_that_nodes_conf_cannot_hold_is_none() -> None:
    body = decode(changed(PONG, EXTENSIONS + 8, b"one\nvars")).body
    assert isinstance(body, Heartbeat)
    assert (body.hostname, body.nodename) == ("", "first")


def test_whatever_comes_is_a_message_or_refused() -> None:
    rng = random.Random(7)
    sources = [encode(message) for message in MESSAGES] + list(CAPTURED.values())
    understood = 0
    for _ in range(4000):
        raw = bytearray(rng.choice(sources))
        for _ in range(rng.randrange(1, 4)):
            kind = rng.randrange(4)
            at = rng.choice((rng.randrange(len(raw)), rng.randrange(8, 40), rng.randrange(2128, len(raw))))
            if kind == 0:
                raw[at] = rng.randrange(256)
            elif kind == 1:
                raw[at:at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
            elif kind == 2:
                del raw[at:at + rng.randrange(1, 200)]
            else:
                raw[at:at] = rng.randbytes(rng.randrange(1, 64))
            if len(raw) < HEADER.size + 8:
                raw += bytes(HEADER.size)
        data = relabelled(PONG, bytes(raw)) if rng.random() < 0.8 else bytes(raw)
        try:
            message = decode(data)
        except BadMessage:
            continue
        understood += 1
        assert decode(encode(message)) == message or isinstance(message.body, Heartbeat) and message.body.unknown
    assert understood > 300


@pytest.mark.parametrize("message", [
    Message(Type.PING, ONE, current_epoch=2**64 - 1, body=Heartbeat()), Message(Type.MFSTART, ONE, config_epoch=2**63),
    Message(Type.UPDATE, ONE, body=Update(2**63, TWO, 0)),
])
def test_an_epoch_without_a_next_one_is_refused(message: Message) -> None:
    with pytest.raises(BadMessage, match="an epoch"):
        decode(encode(message))
