"""Expires: the time at which a key goes away by itself. Kept in Unix milliseconds, so a restart does not lengthen it.

EXPIRE counts seconds from now, PEXPIRE milliseconds; the -AT forms take Unix times. All four end up as PEXPIREAT for
AOF and replicas. An expire that has passed deletes the key at once.
"""

from server.dispatch.call import Call
from server.registry import args, errors
from server.registry.command import FAST, READONLY, WRITE, group
from server.registry.errors import CommandError, named
from server.registry.keys import ACCESS, RO, RW, UPDATE, one_key
from server.registry.light import Any

command = group("generic")

_SET: dict[str, Any] = {"arity": -3, "flags": WRITE | FAST, "keys": one_key(RW, UPDATE),
        "history": (("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."),)}
_CONDITION = "[NX | XX | GT | LT]"
NO_KEY, NO_EXPIRE = -2, -1


# ---- setting
@command("EXPIRE", since="1.0.0", syntax=f"key seconds {_CONDITION}", **_SET)
def expire(call: Call, key: bytes, seconds: bytes, *conditions: bytes) -> int:
    """Let a key expire so many seconds from now: 1, or 0 when it is absent or a condition forbids it.

    NX: only when it has no expire. XX: only when it has one. GT, LT: only to a later or an earlier time; a key without
    an expire counts as one that lives for ever.

    Complexity: O(1)
    """
    return _expire(call, key, seconds, conditions, call.now_ms, 1000)


@command("PEXPIRE", since="2.6.0", syntax=f"key milliseconds {_CONDITION}", **_SET)
def pexpire(call: Call, key: bytes, milliseconds: bytes, *conditions: bytes) -> int:
    """Let a key expire so many milliseconds from now; conditions and reply as for EXPIRE.

    Complexity: O(1)
    """
    return _expire(call, key, milliseconds, conditions, call.now_ms, 1)


@command("EXPIREAT", since="1.2.0", syntax=f"key unix-time-seconds {_CONDITION}", **_SET)
def expireat(call: Call, key: bytes, unix_time: bytes, *conditions: bytes) -> int:
    """Let a key expire at a Unix time in seconds; conditions and reply as for EXPIRE.

    Complexity: O(1)
    """
    return _expire(call, key, unix_time, conditions, 0, 1000)


@command("PEXPIREAT", since="2.6.0", syntax=f"key unix-time-milliseconds {_CONDITION}", **_SET)
def pexpireat(call: Call, key: bytes, unix_time: bytes, *conditions: bytes) -> int:
    """Let a key expire at a Unix time in milliseconds; conditions and reply as for EXPIRE.

    Complexity: O(1)
    """
    return _expire(call, key, unix_time, conditions, 0, 1)


def _expire(call: Call, key: bytes, text: bytes, words: tuple[bytes, ...], base_ms: int, unit_ms: int) -> int:
    conditions = _conditions(call, words)
    when = args.integer(text) * unit_ms
    if not args.INT64_MIN <= when <= args.INT64_MAX - base_ms:
        raise CommandError(errors.INVALID_EXPIRE.format(call.command.name))
    when += base_ms
    if not call.db.exists_for_write(key):
        return 0
    if conditions and not _allowed(conditions, when, call.db.expire_at(key)):
        return 0
    shared = call.db.keyspace
    if when <= call.now_ms and not (shared.keep_expired or shared.show_expired):
        call.delete_expired(key)
        return 1
    call.db.set_expire(key, when)
    call.changed(key, "expire")
    if call.command.name != "pexpireat":
        call.propagate_as(b"PEXPIREAT", key, b"%d" % when, *words)
    return 1


def _conditions(call: Call, words: tuple[bytes, ...]) -> set[str]:
    """NX, XX, GT, LT. Errors: unknown ones, and those that exclude each other."""
    found = set()
    for word in words:
        name = call.command.option_words.name_of(word)
        if not name:
            raise named(b"ERR Unsupported option %s", word)
        found.add(name)
    if "NX" in found and len(found) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {"GT", "LT"} <= found:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return found


def _allowed(conditions: set[str], when: int, current: int) -> bool:
    """Whether the conditions let a key with this expire (NO_EXPIRE: none) get the new one."""
    has_one = current != NO_EXPIRE
    return not (
        ("NX" in conditions and has_one)
        or ("XX" in conditions and not has_one)
        or ("GT" in conditions and (not has_one or when <= current))
        or ("LT" in conditions and has_one and when >= current)
    )


@command("PERSIST", arity=2, flags=WRITE | FAST, keys=one_key(RW, UPDATE), since="2.2.0", syntax="key")
def persist(call: Call, key: bytes) -> int:
    """Take the expire from a key: 1, or 0 when there is no key or no expire.

    Complexity: O(1)
    """
    if not call.db.exists_for_write(key) or not call.db.persist(key):
        return 0
    call.changed(key, "persist")
    return 1


# ---- asking
_ASK: dict[str, Any] = {"arity": 2, "flags": READONLY | FAST, "keys": one_key(RO, ACCESS), "syntax": "key"}
_ASK_LEFT: dict[str, Any] = {**_ASK, "tips": ("nondeterministic_output",),
                             "history": (("2.8.0", "Added the -2 reply."),)}


@command("TTL", since="1.0.0", **_ASK_LEFT)
def ttl(call: Call, key: bytes) -> int:
    """Return the seconds a key has left, rounded; -1 when it has no expire, -2 when it is absent.

    Complexity: O(1)
    """
    return _in_seconds(_left(call, key))


@command("PTTL", since="2.6.0", **_ASK_LEFT)
def pttl(call: Call, key: bytes) -> int:
    """Return the milliseconds a key has left; -1 when it has no expire, -2 when it is absent.

    Complexity: O(1)
    """
    return _left(call, key)


@command("EXPIRETIME", since="7.0.0", **_ASK)
def expiretime(call: Call, key: bytes) -> int:
    """Return the Unix time in seconds at which a key expires; -1 without an expire, -2 when it is absent.

    Complexity: O(1)
    """
    return _in_seconds(_expire_time(call, key))


@command("PEXPIRETIME", since="7.0.0", **_ASK)
def pexpiretime(call: Call, key: bytes) -> int:
    """Return the Unix time in milliseconds at which a key expires; -1 without an expire, -2 when it is absent.

    Complexity: O(1)
    """
    return _expire_time(call, key)


def _expire_time(call: Call, key: bytes) -> int:
    """Unix ms, NO_EXPIRE or NO_KEY; a read that does not touch."""
    return NO_KEY if call.db.type_of(key) is None else int(call.db.expire_at(key))


def _left(call: Call, key: bytes) -> int:
    when = _expire_time(call, key)
    return when if when < 0 else max(when - call.now_ms, 0)


def _in_seconds(milliseconds: int) -> int:
    return milliseconds if milliseconds < 0 else (milliseconds + 500) // 1000
