"""Whether two servers agree on a reply, where order, time, chance or the version may differ.

    agree(commands, command, ours, theirs)      # commands: all that were sent, command: the one that was answered
"""

import re
from typing import Any

from tests.support.differential import same, unordered_form
from tests.support.peer import peer_version
from tests.support.resp import RespError

Command = list[bytes]

UNORDERED = {
    b"HGETALL", b"HKEYS", b"HVALS", b"HSCAN", b"SMEMBERS", b"SPOP", b"SINTER", b"SUNION", b"SDIFF", b"SSCAN", b"ZSCAN",
    b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER", b"KEYS", b"SCAN",
}  # fmt: skip
FRACTION = re.compile(rb"-?\d+(\.\d+)?(e[+-]?\d+)?")
NEAR = {b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"}
RANDOM = {b"-1", b"-3", b"-7"}  # counts of SRANDMEMBER and the like that ask for repetitions


def agree(commands: list[Command], command: Command, a: Any, b: Any) -> bool:
    name = command[0].upper()
    excused = EXCUSED_7_0.get(name)
    if excused and peer_version() < (7, 2) and excused(command, a, b):
        return True
    if name == b"OBJECT" and command[1:2] == [b"ENCODING"] and known(commands, a, b):
        return True
    within = 2000 if name in NEAR else 0
    a, b = comparable(command, a), comparable(command, b)
    return same(a, b, within) or (peer_version() < (7, 2) and same(as_7_0(a), as_7_0(b), within, code_only=True))


def as_7_0(value: Any) -> Any:
    """With fractions in one form: 7.2 says 0.1 where 7.0 says 0.10000000000000001. Texts of errors differ as well."""
    if isinstance(value, list | tuple):
        return type(value)(map(as_7_0, value))
    if isinstance(value, dict):
        return {key: as_7_0(one) for key, one in value.items()}
    return repr(float(value)).encode() if isinstance(value, bytes) and FRACTION.fullmatch(value) else value


def shape(value: Any) -> Any:
    """What remains of a random reply."""
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__


def comparable(command: Command, reply: Any) -> Any:
    """The part of a reply that both must agree on."""
    name = command[0].upper()
    if isinstance(reply, RespError):
        return reply
    if name in UNORDERED:
        if name.endswith((b"MEMBER", b"FIELD")) and RANDOM & set(command):
            return shape(reply)
        return unordered_form(reply)
    if name == b"FUNCTION":
        return unordered_form(reply)
    if name in (b"SORT", b"SORT_RO") and b"nosort" in command:
        return unordered_form(reply)
    if name == b"XPENDING" and isinstance(reply, list):
        return [[id, consumer, count] for id, consumer, _, count in reply] if len(command) > 3 else reply
    if name == b"XINFO" and command[1:2] == [b"STREAM"] and isinstance(reply, dict):
        return {field: value for field, value in reply.items() if field != b"radix-tree-nodes"}
    if name == b"XINFO" and command[1:2] == [b"STREAM"] and isinstance(reply, list):
        at = reply.index(b"radix-tree-nodes")
        return reply[:at] + reply[at + 2 :]
    return reply


EXCUSED_7_0: dict[bytes, Any] = {  # commands whose replies differ between 7.0 and 7.2
    b"OBJECT": lambda command, a, b: command[1:2] == [b"ENCODING"] and b in (b"hashtable", b"quicklist"),
}


def known(commands: list[Command], ours: Any, theirs: Any) -> bool:
    """Encodings that differ and may: INCRBYFLOAT with a whole result is `embstr` there, SORT makes its sorted set a
    skiplist there, and 7.0 does not count the fields of one HSET in advance.
    """
    names = {command[0] for command in commands}
    return (
        ((ours, theirs) == (b"int", b"embstr") and b"INCRBYFLOAT" in names)
        or ((ours, theirs) == (b"listpack", b"skiplist") and bool({b"SORT", b"SORT_RO"} & names))
        or ((ours, theirs) == (b"hashtable", b"listpack") and peer_version() < (7, 2))
    )
