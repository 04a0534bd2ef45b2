"""The bytes of the cluster bus's messages, version 1, as Redis 4 to 7.2 speak it.

    0 "RCmb", 4 length, 8 version, 10 port, 12 type, 14 count, 16 current epoch, 24 config epoch, 32 offset, 40 sender,
    80 slots, 2128 master, 2168 ip, 2214 extensions, 2216 unused, 2246 pport, 2248 bus port, 2250 flags, 2252 state,
    2253 three bytes of marks, 2256 the body

Big end first. A heartbeat's body is `count` entries of gossip, then extensions: each its length, type, two unused
bytes and data, together a multiple of 8 bytes. Whatever a peer sends, `decode` gives a message or raises BadMessage:
lengths and counts are checked against each other, and texts against what nodes.conf can hold.
"""

from functools import lru_cache
from struct import Struct, error as StructError

from server.cluster import slots
from server.cluster.messages import (
    HAS_EXTENSIONS,
    NAME_LENGTH,
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
    is_name,
)

SIGNATURE = b"RCmb"
VERSION = 1
HEADER = Struct(">4sIHHHHQQQ40s2048s40s46sH30xHHHB3s")
PREFIX = Struct(">4sI")
_GOSSIP = Struct(">40sII46sHHHHH")
_EXTENSION = Struct(">IHH")
_FORGOTTEN = Struct(">40sQ")
_PUBLISHED = Struct(">II")
_UPDATE = Struct(">Q40s2048s")
_MODULE = Struct(">8sIB")

_HOSTNAME, _NODENAME, _FORGOTTEN_NODE, _SHARD_ID = range(4)
_HEARTBEATS = frozenset((Type.PING, Type.PONG, Type.MEET))
EPOCHS_END = 1 << 63
TEXTS_KEPT = 8192           # names and addresses, which come again and again, are looked at once
_TEXT_MAX = 255             # of a host name or node name
_NOT_IN_TEXT = frozenset("\"',=\\")


class BadMessage(Exception):
    """Bytes that are no message of this bus."""


class UnknownMessage(BadMessage):
    """A message that a newer Redis may send, to be skipped: of another version or type."""


def frame_length(data: bytes | bytearray | memoryview) -> int:
    """How long the message is that begins here; 0 while fewer than 8 bytes are there. Raises BadMessage."""
    if len(data) < PREFIX.size:
        return 0
    signature, length = PREFIX.unpack_from(data)
    if signature != SIGNATURE or length < HEADER.size:
        raise BadMessage(f"Bad message length or signature received from the cluster bus: {signature!r}, {length}")
    return int(length)


# ---- to bytes
def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def _extension(kind: int, data: bytes) -> bytes:
    data = _padded(data)
    return _EXTENSION.pack(_EXTENSION.size + len(data), kind, 0) + data


def _extensions(body: Heartbeat) -> list[bytes]:
    """In the order that Redis writes them in."""
    found = []
    if body.hostname:
        found.append(_extension(_HOSTNAME, body.hostname.encode() + b"\0"))
    if body.nodename:
        found.append(_extension(_NODENAME, body.nodename.encode() + b"\0"))
    found += [_extension(_FORGOTTEN_NODE, _FORGOTTEN.pack(name.encode(), ttl)) for name, ttl in body.forgotten]
    if body.shard_id:
        found.append(_extension(_SHARD_ID, body.shard_id.encode()))
    return found


def _gossip_bytes(entry: Gossip) -> bytes:
    return _GOSSIP.pack(entry.name.encode(), entry.ping_sent, entry.pong_received, entry.ip.encode(), entry.port,
                        entry.bus_port, entry.flags, entry.pport, 0)


def _body_bytes(body: Body) -> bytes:
    if isinstance(body, Failing):
        return body.name.encode()
    if isinstance(body, Published):
        return _PUBLISHED.pack(len(body.channel), len(body.payload)) + body.channel + body.payload
    if isinstance(body, Update):
        return _UPDATE.pack(body.config_epoch, body.name.encode(), slots.to_bytes(body.slots))
    if isinstance(body, ModuleMessage):
        return _MODULE.pack(body.module_id, len(body.payload), body.type) + body.payload
    return b""


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    body = message.body
    count = 0
    marks = message.marks
    extensions: list[bytes] = []
    if isinstance(body, Heartbeat):
        count = len(body.gossip)
        extensions = _extensions(body)
        data = b"".join(map(_gossip_bytes, body.gossip)) + b"".join(extensions)
        if extensions:
            marks |= HAS_EXTENSIONS
    else:
        data = _body_bytes(body)
    return HEADER.pack(
        SIGNATURE, HEADER.size + len(data), VERSION, message.port, message.type, count, message.current_epoch,
        message.config_epoch, message.offset, message.sender.encode(), slots.to_bytes(message.slots),
        message.master.encode(), message.ip.encode(), len(extensions), message.pport, message.bus_port, message.flags,
        0 if message.ok else 1, bytes((marks, 0, 0))) + data


def size(message: Message) -> int:
    """How many bytes a message has, without making them."""
    body = message.body
    if isinstance(body, Heartbeat):
        return HEADER.size + _GOSSIP.size * len(body.gossip) + sum(map(len, _extensions(body)))
    return HEADER.size + len(_body_bytes(body))


# ---- from bytes
@lru_cache(TEXTS_KEPT)
def _name(raw: bytes) -> str:
    text = raw.decode("latin-1")
    if not is_name(text):
        raise BadMessage("a name that is none")
    return text


def _is_fit(text: str) -> bool:
    """Whether it can stand in nodes.conf."""
    return len(text) <= _TEXT_MAX and all("!" <= char <= "~" and char not in _NOT_IN_TEXT for char in text)


@lru_cache(TEXTS_KEPT)
def _address(raw: bytes) -> str:
    text = raw.partition(b"\0")[0].decode("latin-1")
    if not _is_fit(text):
        raise BadMessage("an address with characters that none has")
    return text


def _text(raw: bytes) -> str:
    """A name that ends with a zero. One that nodes.conf could not hold is as good as none: a node may go on without."""
    text = raw.partition(b"\0")[0].decode("latin-1")
    return text if _is_fit(text) else ""


def _decode_extension(body: Heartbeat, kind: int, data: memoryview) -> None:
    if kind == _HOSTNAME:
        body.hostname = _text(bytes(data))
    elif kind == _NODENAME:
        body.nodename = _text(bytes(data))
    elif kind == _FORGOTTEN_NODE:
        name, ttl = _FORGOTTEN.unpack(data)
        body.forgotten.append(Forgotten(_name(name), ttl))
    elif kind == _SHARD_ID:
        if len(data) != NAME_LENGTH:
            raise BadMessage("a shard id of another length")
        body.shard_id = _name(bytes(data))
    else:
        body.unknown.append(kind)


def _heartbeat(data: memoryview, count: int, extensions: int) -> Heartbeat:
    end = _GOSSIP.size * count
    if end > len(data):
        raise BadMessage(f"{count} entries of gossip in {len(data)} bytes")
    body = Heartbeat([
        Gossip(_name(name), ping_sent, pong_received, _address(ip), port, bus_port, flags, pport)
        for name, ping_sent, pong_received, ip, port, bus_port, flags, pport, _ in _GOSSIP.iter_unpack(data[:end])
    ])
    for _ in range(extensions):
        if end + _EXTENSION.size > len(data):
            raise BadMessage("an extension beyond the end")
        length, kind, _ = _EXTENSION.unpack_from(data, end)
        if length % 8 or not _EXTENSION.size <= length <= len(data) - end:
            raise BadMessage(f"an extension of {length} bytes")
        _decode_extension(body, kind, data[end + _EXTENSION.size:end + length])
        end += length
    if end != len(data):
        raise BadMessage(f"{len(data) - end} bytes too many")
    return body


def _body(kind: Type, data: memoryview) -> Body:
    if kind == Type.FAIL:
        return Failing(_name(bytes(data)))
    if kind in (Type.PUBLISH, Type.PUBLISHSHARD):
        channel, payload = _PUBLISHED.unpack_from(data)
        if _PUBLISHED.size + channel + payload != len(data):
            raise BadMessage("a published message of another length than it says")
        words = bytes(data[_PUBLISHED.size:])
        return Published(words[:channel], words[channel:])
    if kind == Type.UPDATE:
        epoch, name, bitmap = _UPDATE.unpack(data)
        return Update(epoch, _name(name), slots.from_bytes(bitmap))
    if kind == Type.MODULE:
        module_id, length, module_type = _MODULE.unpack_from(data)
        if _MODULE.size + length != len(data):
            raise BadMessage("a module's message of another length than it says")
        return ModuleMessage(module_id, module_type, bytes(data[_MODULE.size:]))
    if data:
        raise BadMessage(f"{len(data)} bytes where there should be none")
    return None


def _check_epochs(*epochs: int) -> None:
    """There must be a next one, which can be told."""
    if max(epochs) >= EPOCHS_END:
        raise BadMessage("an epoch that no cluster ever comes to")


def decode(data: bytes | memoryview) -> Message:
    """The message that these bytes are, all of them. Raises BadMessage; UnknownMessage when it may be skipped."""
    if len(data) < HEADER.size:
        raise BadMessage(f"a message of {len(data)} bytes")
    (signature, length, version, port, kind, count, current_epoch, config_epoch, offset, sender, bitmap, master, ip,
     extensions, pport, bus_port, flags, state, marks) = HEADER.unpack_from(data)
    if signature != SIGNATURE or length != len(data):
        raise BadMessage("a message of another length than it says")
    if version != VERSION or kind >= len(Type):
        raise UnknownMessage(f"a message of version {version}, type {kind}")
    kind = Type(kind)
    rest = memoryview(data)[HEADER.size:]
    try:
        if kind in _HEARTBEATS:
            body: Body = _heartbeat(rest, count, extensions if marks[0] & HAS_EXTENSIONS else 0)
        else:
            body = _body(kind, rest)
        _check_epochs(current_epoch, config_epoch, body.config_epoch if isinstance(body, Update) else 0)
    except StructError as wrong:
        raise BadMessage(f"{kind.name} of {length} bytes: {wrong}") from None
    return Message(kind, _name(sender), current_epoch, config_epoch, offset, slots.from_bytes(bitmap),
                   _name(master) if any(master) else "", _address(ip), port, pport, bus_port, flags, state == 0,
                   marks[0] & ~HAS_EXTENSIONS, body)
