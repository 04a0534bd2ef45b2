"""A fast path may decline, never differ: the same commands with fast paths on and off give the same replies, the same
keyspace (values, encodings, expires, digest), the same counters and the same propagated stream."""

import hashlib
import importlib
import pkgutil
import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import server.commands
from server.dispatch import record, shapes
from server.registry.command import COMMANDS as REGISTERED, MAY_REPLICATE, WRITE
from tests.commands.test_dump import payload
from tests.support.resp import Connection
from tests.support.server import Server

KEYS = [b"a", b"b", b"key:000000000001", b"n", b"missing", b"list", b"hash", b"set", b"zset", b"\x00\r\n"]
FIELDS = [b"f1", b"f2", b"a-field-that-is-a-little-longer", b""]
VALUES = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"10",
    b"007",
    b"+5",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"3.0",
    b"x",
    b"y" * 44,
    b"y" * 45,
    b"z" * 192,
    b"z" * 193,
    b"w" * 20000,
]
NUMBERS = [b"0", b"1", b"-1", b"2", b"10", b"-100", b"9223372036854775807", b"x", b"1.5", b""]
SECONDS = [b"100000", b"0", b"-5", b"99999999999999999", b"x", b"1000000"]  # as milliseconds longer than a run
TIMES = [b"4000000000", b"4000000000000", b"1000000000", b"0", b"-1", b"x"]
TYPES = [b"u8", b"i8", b"i64", b"u63", b"u64", b"u1", b"i5", b"x8", b"u", b"i0"]
OFFSETS = [b"0", b"3", b"7", b"#1", b"#0", b"100", b"#3", b"1600", b"-1", b"#", b"x"]
SCORES = [b"0", b"1", b"-1.5", b"1e3", b"inf", b"-inf", b"nan", b"x", b"(1", b"3"]

IDS = [b"0-1", b"1-1", b"1-2", b"2", b"3-7", b"0", b"-", b"+", b"x", b"18446744073709551615-18446744073709551615"]

key, field, value = st.sampled_from(KEYS), st.sampled_from(FIELDS), st.sampled_from(VALUES)
degrees = st.sampled_from([b"0", b"13.361389", b"-84.9", b"85.05112878", b"179.9999", b"-180", b"90", b"x", b"nan"])
field_type, field_offset = st.sampled_from(TYPES), st.sampled_from(OFFSETS)
lex = st.sampled_from([b"-", b"+", b"[", b"(", b"[1", b"(10", b"[x", b"x", b"", b"(" + b"y" * 44])
lex_key = st.sampled_from([b"equal", b"zset", b"a", b"missing", b"big-z"])
bound = st.sampled_from([b"(" + id for id in IDS] + IDS + [b"(", b"((1-1", b"(0-0", b"(-", b"(+"])
stream_id, consumer = st.sampled_from(IDS), st.sampled_from([b"alice", b"bob"])
some_set = st.sampled_from([b"set", b"numbers", b"one", b"big", b"a", b"missing"])
some_zset = st.sampled_from([b"zset", b"equal", b"set", b"numbers", b"big-z", b"a", b"missing"])
aggregate = st.sampled_from([b"SUM", b"min", b"Max", b"x"])
number, seconds, score = st.sampled_from(NUMBERS), st.sampled_from(SECONDS), st.sampled_from(SCORES)
some_stream, some_id = st.sampled_from([b"es", b"es", b"a", b"missing"]), st.sampled_from([*IDS, b"$"])
idle = st.sampled_from([b"0", b"0", b"-1", b"9223372036854775807", b"x"])  # no age about which the two may differ
claim_word = st.sampled_from([b"RETRYCOUNT", b"lastid", b"IDLE", b"TIME"])
sortable = st.sampled_from([b"list", b"set", b"zset", b"numbers", b"a", b"missing", b"big"])
pattern = st.sampled_from([b"*", b"#", b"nosort", b"key:*", b"hash->*", b"*->f1", b"ha*h->f1", b"*->", b""])
sort_word = st.sampled_from([b"ALPHA", b"desc", b"ASC", b"GET", b"#", b"BY", b"nosort", b"STORE", b"a", b"LIMIT", b"1"])
place = st.sampled_from([b"0", b"0.001", b"-0.001", b"13.361389", b"38.115556", b"-84.9", b"179.9999", b"x"])
length = st.sampled_from([b"0", b"150", b"1e3", b"10000", b"1e9", b"-1", b"x"])
unit = st.sampled_from([b"m", b"KM", b"ft", b"mi", b"x"])
geo_key = st.sampled_from([b"geo", b"geo", b"zset", b"a", b"missing"])
geo_word = st.sampled_from([b"ASC", b"desc", b"WITHCOORD", b"withhash", b"ANY", b"COUNT"])


PAYLOADS = [
    payload(0, b"\x01v"),
    payload(0, b"\xc0\x05"),
    payload(0, b"\x40\xc8" + b"z" * 200, 6),
    payload(0, b"\x01v and more"),
    payload(1, b"\x02\x01a\x01b"),
    payload(2, b"\x02\x01m\x01n"),
    payload(4, b"\x01\x02f1\x01v"),
    payload(5, b"\x01\x01m" + bytes(8)),
    payload(4, b"\x00"),
    payload(4, b"\x02\x01f\x01v"),
    payload(99, b"\x01v"),
    payload(0, b"\x01v", 12),
    payload(0, b"\x01v")[:-1] + b"x",
    payload(0, b""),
    b"0123456789",
    b"",
]
payloads = st.sampled_from(PAYLOADS)

SCRIPT = b"return redis.pcall(unpack(ARGV))"
SHA = hashlib.sha1(SCRIPT).hexdigest().encode()
LIBRARY = b"#!lua name=mine\nredis.register_function('mine', function() return 1 end)"
NAMED: set[str] = set()  # the commands of all grammars
OF_CONNECTIONS = (
    "hello", "reset", "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe",
    "client|info", "client|list", "client|tracking", "client|caching", "client|trackinginfo", "client|getredir",
    "client|unpause", "client|no-evict", "client|no-touch", "auth"
)  # fmt: skip
SCRIPTS = ("eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro")


SCANS = (b"HSCAN", b"SSCAN", b"ZSCAN")
PATTERNS = st.sampled_from([b"*", b"?", b"", b"f*", b"[0-9]*", b"1*", b"m?", b"-*", b"member", b"*1"])


def words(*parts: object) -> st.SearchStrategy[tuple[bytes, ...]]:
    """A command: bytes stand for themselves, a tuple of them for any, strategies are drawn, a list is repeated one
    to three times."""
    heads = parts[0] if isinstance(parts[0], tuple) else parts[:1]
    seconds = parts[1] if len(parts) > 1 and isinstance(parts[1], tuple) else parts[1:2]
    NAMED.update(name.lower().decode() for name in heads)
    NAMED.update(f"{a.decode()}|{b.decode()}".lower() for a in heads for b in seconds if isinstance(b, bytes))
    drawn = []
    for part in parts:
        if isinstance(part, bytes):
            drawn.append(st.just((part,)))
        elif isinstance(part, tuple):
            drawn.append(st.sampled_from([(one,) for one in part]))
        elif isinstance(part, list):
            drawn.append(st.lists(st.tuples(*part), min_size=1, max_size=3).map(lambda rows: sum(rows, ())))
        else:
            drawn.append(part.map(lambda one: (one,)))  # type: ignore[attr-defined]
    return st.tuples(*drawn).map(lambda pieces: sum(pieces, ()))


def worded(name: bytes, *parts: object, values: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[bytes, ...]]:
    """A command with up to five of the words of its own syntax, or of what may be their values, in any order. (Without
    `*`: the two servers choose different IDs.)"""
    known = [word.name.encode() for word in REGISTERED[name.decode().lower()].option_words.words if word.name != "*"]
    spelt = st.sampled_from([*known, *(word.lower() for word in known)])
    more = st.lists(st.one_of(spelt, spelt, values), max_size=5).map(tuple)
    return st.tuples(words(name, *parts), more).map(lambda two: two[0] + two[1])


for module in pkgutil.iter_modules(server.commands.__path__):
    importlib.import_module(f"server.commands.{module.name}")

COMMANDS = st.one_of(
    worded(b"SET", key, value, values=st.sampled_from([b"100000", *TIMES])),
    worded(b"GETEX", key, values=st.sampled_from([b"100000", *TIMES])),
    worded(b"EXPIRE", key, seconds, values=seconds),
    worded(b"ZADD", key, values=st.one_of(score, value)),
    worded(b"XADD", b"es", values=st.one_of(number, stream_id, value)),
    worded(b"XTRIM", b"es", values=number),
    words(b"GET", key),
    words(b"SET", key, value),
    words(b"set", key, value),
    words(b"SET", key, value, b"NX"),
    words(b"SET", key, value, st.sampled_from([b"EX", b"px", b"EXAT", b"zx"]), seconds),
    words(b"INCR", key),
    words(b"DECR", key),
    words(b"INCRBY", key, number),
    words(b"DEL", [key]),
    words(b"EXISTS", [key]),
    words((b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"), key, seconds),
    words((b"EXPIREAT", b"PEXPIREAT"), key, st.sampled_from([b"4000000000", b"4000000000000"])),
    words(b"EXPIRE", key, seconds, st.sampled_from([b"NX", b"gt", b"zz"])),
    words((b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"TYPE"), key),
    words((b"UNLINK", b"TOUCH"), [key]),
    words(b"SETNX", key, value),
    words((b"SETEX", b"PSETEX"), key, seconds, value),
    words(b"SET", key, value, st.sampled_from([b"NX", b"xx"]), st.sampled_from([b"KEEPTTL", b"NX", b"GET"])),
    words(
        b"SET",
        key,
        value,
        st.sampled_from([b"EX", b"PX"]),
        seconds,
        st.sampled_from([b"XX", b"nx", b"KEEPTTL", b"px"]),
    ),
    words(b"SET", key, value, st.sampled_from([b"GET", b"XX"]), st.sampled_from([b"get", b"NX", b"KEEPTTL"])),
    words(b"SET", key, value, b"GET", st.sampled_from([b"EX", b"PXAT", b"exat"]), st.sampled_from([*SECONDS, *TIMES])),
    words(
        b"SET",
        key,
        value,
        st.sampled_from([b"EXAT", b"pxat"]),
        st.sampled_from(TIMES),
        st.sampled_from([b"GET", b"XX"]),
    ),
    words(b"SET", key, value, st.sampled_from([b"EXAT", b"pxat"]), st.sampled_from(TIMES)),
    words(b"MSETNX", [key, value]),
    words(b"BITCOUNT", key),
    words(b"BITCOUNT", key, number, number),
    words(b"BITCOUNT", key, number, number, st.sampled_from([b"BIT", b"byte", b"x"])),
    words(b"BITPOS", key, number),
    words(b"BITPOS", key, number, number),
    words(b"BITPOS", key, number, number, number),
    words(b"BITPOS", key, number, number, number, st.sampled_from([b"bit", b"BYTE", b"x"])),
    words((b"BITFIELD", b"BITFIELD_RO"), key, [st.just(b"GET"), field_type, field_offset]),
    words(b"BITFIELD", key, [st.sampled_from([b"set", b"INCRBY"]), field_type, field_offset, number]),
    words(b"BITFIELD", key, b"GET", field_type, field_offset, b"SET", field_type, field_offset, number),
    words(b"BITFIELD", key, b"OVERFLOW", b"SAT", b"INCRBY", field_type, field_offset, number),
    words((b"BITFIELD", b"BITFIELD_RO"), key),
    words(b"GETSET", key, value),
    words(b"GETDEL", key),
    words(b"GETEX", key),
    words(b"GETEX", key, st.sampled_from([b"PERSIST", b"EX"])),
    words(b"GETEX", key, st.sampled_from([b"EX", b"px", b"PXAT"]), seconds),
    words(b"STRLEN", key),
    words((b"GETRANGE", b"SUBSTR"), key, number, number),
    words(b"SETRANGE", key, number, value),
    words(
        b"SETBIT",
        key,
        st.sampled_from([b"0", b"7", b"8", b"1000", b"-1", b"x"]),
        st.sampled_from([b"0", b"1", b"2"]),
    ),
    words(b"GETBIT", key, st.sampled_from([b"0", b"7", b"8", b"1000", b"-1", b"x"])),
    words(b"DECRBY", key, number),
    words(b"INCRBYFLOAT", key, st.sampled_from([b"1.5", b"-3", b"1e10", b"inf", b"nan", b"x", b"0.1"])),
    words(b"PING", value),
    words(b"ECHO", value),
    words(b"WAIT", st.sampled_from([b"0", b"1", b"-1", b"x"]), st.sampled_from([b"1", b"-1", b"x", b"2.5"])),
    words(b"MGET", [key]),
    words(b"MSET", [key, value]),
    words(b"APPEND", key, value),
    words(b"PERSIST", key),
    words(b"PING"),
    words(b"GET"),
    words(b"MSET", key),
    words(b"LPUSH", key, [value]),
    words(b"RPUSH", key, [value]),
    words(b"LPOP", key),
    words(b"RPOP", key),
    words(b"LLEN", key),
    words(b"LRANGE", key, number, number),
    words(b"LPOP", key, number),
    words(b"SADD", key, [value]),
    words(b"SREM", key, [value]),
    words(b"SISMEMBER", key, value),
    words(b"SCARD", key),
    words(b"HSET", key, [field, value]),
    words(b"HGET", key, field),
    words(b"HMGET", key, [field]),
    words(b"HDEL", key, [field]),
    words(b"HINCRBY", key, field, number),
    words(b"HGETALL", key),
    words(b"HLEN", key),
    words(b"HMSET", key, [field, value]),
    words(b"HKEYS", key),
    words(b"HVALS", key),
    words(b"HEXISTS", key, field),
    words(b"HSTRLEN", key, field),
    words(b"SMISMEMBER", key, [value]),
    words(b"SMEMBERS", key),
    words(b"ZADD", key, [score, value]),
    words(b"ZADD", key, st.sampled_from([b"NX", b"XX", b"gt", b"LT", b"CH", b"INCR"]), score, value),
    words(b"ZINCRBY", key, score, value),
    words(b"ZSCORE", key, value),
    words(b"ZRANGE", key, number, number),
    words(b"ZRANGE", key, number, number, b"WITHSCORES"),
    words(b"ZRANGEBYSCORE", key, score, score),
    words(b"ZPOPMIN", key),
    words(b"ZPOPMAX", key),
    words(b"ZREM", key, [value]),
    words(b"ZRANK", key, value),
    words(b"ZCOUNT", key, score, score),
    words(b"ZREVRANGE", key, number, number, b"withscores"),
    words(b"ZREVRANGEBYSCORE", key, score, score, b"WithScores"),
    words(b"ZRANGEBYSCORE", key, score, score, b"LIMIT", number, number),
    words(b"ZCARD", key),
    words((b"LPUSHX", b"RPUSHX"), key, [value]),
    words(b"RPOP", key, number),
    words(b"LINDEX", key, number),
    words(b"LSET", key, number, value),
    words(b"LREM", key, number, value),
    words(b"LTRIM", key, number, number),
    words(b"RPOPLPUSH", key, key),
    words(b"LMOVE", key, key, st.sampled_from([b"LEFT", b"right", b"up"]), st.sampled_from([b"left", b"RIGHT"])),
    words(b"SRANDMEMBER", st.sampled_from([b"nothing", b"filled", b"one"])),
    words(b"SADD", b"one", b"member"),
    words(b"HSETNX", key, field, value),
    words(b"HINCRBYFLOAT", key, field, st.sampled_from([b"1.5", b"-3", b"1e10", b"inf", b"nan", b"x", b"0.1"])),
    words(b"ZREVRANK", key, value),
    words(b"ZMSCORE", key, [value]),
    words((b"ZPOPMIN", b"ZPOPMAX"), key, number),
    words(b"ZREMRANGEBYSCORE", key, score, score),
    words(b"ZREMRANGEBYRANK", key, number, number),
    words(b"ZRANGE", key, number, number, st.sampled_from([b"REV", b"bylex", b"BYSCORE"])),
    words(b"ZRANGE", key, score, score, b"BYSCORE", st.sampled_from([b"REV", b"withscores", b"BYSCORE"])),
    words(b"ZRANGE", key, score, score, b"byscore", b"LIMIT", number, number, b"REV", b"WITHSCORES"),
    words(b"ZRANGE", key, number, number, b"LIMIT", number, number),
    words(
        (b"ZREVRANGE", b"ZRANGEBYSCORE"),
        key,
        number,
        number,
        st.sampled_from([b"REV", b"BYSCORE"]),
    ),
    words(b"SMOVE", key, key, value),
    words(b"SMOVE", b"one", key, b"member"),
    words((b"SRANDMEMBER", b"SPOP"), st.sampled_from([b"nothing", b"filled", b"one"]), number),
    words(b"SSCAN", key, st.sampled_from([b"0", b"x"])),
    words(b"SSCAN", b"big", number, b"COUNT", number),
    words(b"SADD", b"big", *[b"%d-%d" % (n, n) for n in range(200)]),
    words(b"HSET", b"field", b"f", value),
    words(b"HRANDFIELD", st.sampled_from([b"nothing", b"filled", b"field"])),
    words(b"HRANDFIELD", st.sampled_from([b"nothing", b"filled", b"field"]), number),
    words(b"HRANDFIELD", b"field", number, st.sampled_from([b"withvalues", b"x"])),
    words(b"HSCAN", key, number),
    words(b"HSCAN", key, b"0", b"COUNT", number),
    words(b"ZSCAN", key, number),
    words(b"ZADD", b"big-z", *[word for n in range(200) for word in (b"1.5", b"%d-%d" % (n, n))]),
    words(b"ZSCAN", b"big-z", number, b"COUNT", number),
    words(SCANS, key, st.sampled_from([b"0", b"5"]), st.sampled_from([b"MATCH", b"x"]), PATTERNS),
    words(SCANS, key, b"0", b"COUNT", number, b"match", PATTERNS),
    words(SCANS, key, b"0", b"match", PATTERNS, b"count", number, b"MATCH", PATTERNS),
    words(b"ZADD", b"single", score, b"m"),
    words(b"SPOP", key, b"50"),
    words(b"ZRANDMEMBER", st.sampled_from([b"nothing", b"filled", b"single"])),
    words(b"ZRANDMEMBER", st.sampled_from([b"nothing", b"filled", b"single"]), number),
    words(b"ZRANDMEMBER", b"single", number, st.sampled_from([b"WITHSCORES", b"x"])),
    words((b"ZRANK", b"ZREVRANK"), key, value, st.sampled_from([b"withscore", b"x"])),
    words(b"ZADD", key, st.sampled_from([b"NX", b"XX", b"gt", b"LT", b"CH"]), b"incr", score, value),
    words(b"ZADD", key, b"INCR", score, value, score, value),
    words((b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZLEXCOUNT", b"ZREMRANGEBYLEX"), lex_key, lex, lex),
    words(b"ZRANGEBYLEX", lex_key, lex, lex, b"LIMIT", number, number),
    words(b"ZRANGE", lex_key, lex, lex, b"BYLEX", st.sampled_from([b"REV", b"WITHSCORES", b"BYSCORE"])),
    words(b"ZADD", b"equal", [st.just(b"0"), value]),
    words(b"ZMPOP", b"1", key, st.sampled_from([b"MIN", b"max", b"x"])),
    words(b"ZMPOP", b"2", key, key, b"MAX", b"COUNT", number),
    words(b"ZMPOP", number, key, b"MIN"),
    words(b"BZMPOP", b"1", b"2", key, b"filled-z", st.sampled_from([b"min", b"MAX"]), b"COUNT", number),
    words((b"BZPOPMIN", b"BZPOPMAX"), key, b"filled-z", st.sampled_from([b"0", b"1", b"0.5"])),
    words(b"XADD", key, b"*", [field, value]),
    words(b"XLEN", key),
    words(b"XADD", b"es", stream_id, field, value),
    words(b"XADD", b"es", b"MAXLEN", st.sampled_from([b"=", b"~"]), number, stream_id, field, value),
    words(b"XADD", b"es", st.sampled_from([b"NOMKSTREAM", b"MAXLEN"]), stream_id, field, value),
    words(b"XTRIM", st.sampled_from([b"es", b"a"]), b"MAXLEN", number),
    words(b"XTRIM", b"es", b"MAXLEN", st.sampled_from([b"=", b"~", b"x"]), number),
    words(b"XDEL", st.sampled_from([b"es", b"a", b"missing"]), [stream_id]),
    words((b"XRANGE", b"XREVRANGE"), b"es", stream_id, stream_id),
    words((b"XRANGE", b"XREVRANGE"), b"es", bound, bound, b"COUNT", number),
    words((b"XRANGE", b"XREVRANGE"), b"es", stream_id, stream_id, b"COUNT", number),
    words(b"XREAD", b"STREAMS", st.sampled_from([b"es", b"a", b"missing"]), stream_id),
    words(b"XREAD", b"COUNT", number, b"streams", b"es", stream_id),
    words(b"XREAD", b"COUNT", b"2", b"STREAMS", st.sampled_from([b"es", b"a", b"missing"]), b"$"),
    words(b"XREAD", b"COUNT", b"2", b"STREAMS", b"es", b"es", stream_id, stream_id),
    words(b"XGROUP", b"CREATE", b"es", b"g", stream_id, b"MKSTREAM"),
    words(b"XGROUP", b"SETID", b"es", b"g", some_id),
    words(b"XGROUP", b"CREATE", some_stream, st.sampled_from([b"g", b"h"]), some_id),
    words(b"XGROUP", b"DESTROY", some_stream, st.sampled_from([b"g", b"h"])),
    words(b"XGROUP", (b"CREATECONSUMER", b"DELCONSUMER"), some_stream, b"g", consumer),
    words(b"XINFO", (b"STREAM", b"GROUPS"), some_stream),
    words(b"XINFO", b"CONSUMERS", some_stream, b"g"),
    words(b"XINFO", b"STREAM", some_stream, b"FULL"),
    words(b"XINFO", b"STREAM", b"es", b"full", b"COUNT", number),
    words(b"XSETID", some_stream, stream_id),
    words(b"XPENDING", some_stream, b"g"),
    words(b"XPENDING", b"es", b"g", stream_id, stream_id, number),
    words(b"XPENDING", b"es", b"g", b"-", b"+", number, consumer),
    words(b"XPENDING", b"es", b"g", b"IDLE", idle, b"-", b"+", number, consumer),
    words(b"XCLAIM", b"es", b"g", consumer, idle, [stream_id]),
    words(b"XCLAIM", b"es", b"g", consumer, b"0", [stream_id], st.sampled_from([b"JUSTID", b"force", b"x"])),
    words(b"XCLAIM", b"es", b"g", consumer, b"0", [stream_id], b"FORCE", claim_word, number, claim_word, stream_id),
    words(b"XAUTOCLAIM", b"es", b"g", consumer, idle, stream_id),
    words(b"XAUTOCLAIM", b"es", b"g", consumer, b"0", st.sampled_from([b"0", b"-", b"(1-1"]), b"COUNT", number),
    words(b"XAUTOCLAIM", b"es", b"g", consumer, b"0", b"0", b"justid", b"COUNT", st.sampled_from([b"1", b"2"])),
    words(b"XADD", b"es", b"MINID", st.sampled_from([b"=", b"~"]), stream_id, stream_id, field, value),
    words(b"XTRIM", b"es", b"MINID", st.sampled_from([b"=", b"~"]), stream_id),
    words(b"XREAD", b"STREAMS", b"es", b"es", b"missing", b"a", b"0", stream_id, b"0", b"0"),
    words(b"XREAD", b"COUNT", number, b"STREAMS", b"es", b"es", b"0", some_id),
    words(b"XREADGROUP", b"GROUP", b"g", consumer, b"COUNT", number, b"STREAMS", b"es", stream_id),
    words(b"SORT", sortable, [sort_word]),
    words(b"SORT_RO", sortable, [sort_word]),
    words((b"SORT", b"SORT_RO"), sortable, st.sampled_from([b"ALPHA", b"DESC"]), b"LIMIT", number, number),
    words(b"SORT", sortable, b"BY", pattern, b"GET", pattern, st.sampled_from([b"ALPHA", b"ASC"])),
    words(b"SORT", sortable, b"BY", pattern, b"GET", b"#", b"GET", pattern, b"ALPHA", b"STORE", key),
    words(b"SORT", sortable, b"ALPHA", b"DESC", b"STORE", key),
    words(b"RPUSH", b"list", [st.sampled_from(NUMBERS[:6])]),
    words(b"KEYS", st.sampled_from([b"*", b"[a-m]*", b"?", b"key:*", b"none", b"\\n", b""])),
    words(b"SCAN", b"0", b"MATCH", st.sampled_from([b"*", b"?", b"[", b"h*"]), b"COUNT", b"1000"),
    words(b"SCAN", b"0", b"TYPE", st.sampled_from([b"string", b"HASH", b"zset", b"none"]), b"COUNT", b"1000"),
    words(b"SCAN", b"0", st.sampled_from([b"MATCH", b"TYPE", b"x"])),
    words(b"MOVE", key, st.sampled_from([b"1", b"0", b"99", b"x"])),
    words(b"MEMORY", b"USAGE", key),
    words(b"ZRANGESTORE", key, some_zset, number, number),
    words(b"ZRANGESTORE", key, some_zset, score, score, b"BYSCORE", st.sampled_from([b"REV", b"BYLEX", b"WITHSCORES"])),
    words(b"ZRANGESTORE", key, lex_key, lex, lex, b"bylex", b"LIMIT", number, number),
    words((b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE"), key, score, score, b"WITHSCORES", b"LIMIT", number, number),
    words((b"ZREVRANGEBYSCORE", b"ZREVRANGEBYLEX"), key, score, score, b"LIMIT", number, number, b"withscores"),
    words(b"GEOADD", b"geo", [place, place, value]),
    words(b"GEOSEARCH", geo_key, b"FROMLONLAT", place, place, b"BYRADIUS", length, unit),
    words(b"GEOSEARCH", geo_key, b"FROMMEMBER", value, b"BYBOX", length, length, unit, b"WITHDIST", geo_word),
    words(b"GEOSEARCH", geo_key, b"BYRADIUS", length, unit, b"FROMMEMBER", value, geo_word, b"COUNT", number, geo_word),
    words((b"GEORADIUS", b"GEORADIUS_RO"), geo_key, place, place, length, unit, geo_word),
    words((b"GEORADIUSBYMEMBER", b"GEORADIUSBYMEMBER_RO"), geo_key, value, length, unit, b"COUNT", number, geo_word),
    words(b"GEOSEARCHSTORE", key, geo_key, b"FROMLONLAT", place, place, b"BYBOX", length, length, unit),
    words(b"GEOSEARCHSTORE", key, geo_key, b"FROMMEMBER", value, b"BYRADIUS", length, b"km", geo_word, b"STOREDIST"),
    words(b"XREADGROUP", b"GROUP", b"g", consumer, b"STREAMS", b"es", st.sampled_from([b">", b"0", b"$"])),
    words(b"XREADGROUP", b"GROUP", b"g", consumer, b"COUNT", number, b"STREAMS", b"es", b">"),
    words(b"XREADGROUP", b"GROUP", b"g", consumer, b"NOACK", b"COUNT", number, b"STREAMS", b"es", b">"),
    words(b"XACK", b"es", b"g", [stream_id]),
    words((b"BLPOP", b"BRPOP"), [key], st.sampled_from([b"-1", b"x"])),
    words((b"BLPOP", b"BRPOP"), key, b"filled", st.sampled_from([b"0", b"1", b"0.5"])),
    words(b"LPOS", key, value),
    words(b"LPOS", key, value, b"RANK", number),
    words(b"LPOS", b"list", number, st.sampled_from([b"COUNT", b"maxlen", b"RANK"]), number, b"COUNT", number),
    words(b"DUMP", key),
    words(b"LINSERT", key, st.sampled_from([b"BEFORE", b"after", b"x"]), value, value),
    words(b"LMPOP", b"1", key, st.sampled_from([b"LEFT", b"right", b"x"])),
    words(b"LMPOP", b"2", key, key, b"RIGHT", b"count", number),
    words(b"LMPOP", number, key, b"LEFT"),
    words(b"BLMPOP", b"1", b"2", key, b"filled", b"LEFT", b"COUNT", st.sampled_from([b"1", b"0", b"x"])),
    words(b"BLMOVE", b"filled", key, st.sampled_from([b"LEFT", b"right", b"x"]), b"LEFT", b"1"),
    words(b"BRPOPLPUSH", b"filled", key, st.sampled_from([b"0", b"1", b"x"])),
    words((b"RENAME", b"RENAMENX", b"COPY"), key, key),
    words((b"RESTORE", b"RESTORE-ASKING"), key, st.sampled_from([b"0", *SECONDS]), payloads),
    worded(b"RESTORE", key, st.sampled_from([b"0", *SECONDS, *TIMES]), payloads, values=number),
    worded(b"RESTORE-ASKING", key, st.sampled_from([b"0", *TIMES]), payloads, values=number),
    words(b"COPY", key, key, st.sampled_from([b"replace", b"x"])),
    words(b"DBSIZE"),
    words(b"SCAN", st.sampled_from([b"x", b"", b"1.5", b"18446744073709551616"])),  # others: as large as the table is
    words(b"SCAN", b"0", b"COUNT", st.sampled_from([b"1000", b"0", b"x"])),
    words((b"EXPIRE", b"PEXPIRE"), key, seconds, st.sampled_from([b"nx", b"XX", b"GT", b"lt", b"zz"])),
    words(
        (b"EXPIREAT", b"PEXPIREAT"),
        key,
        st.sampled_from(TIMES),
        st.sampled_from([b"XX", b"GT", b"LT"]),
    ),
    words(b"GEOADD", key, [degrees, degrees, value]),
    words(b"GEOADD", key, st.sampled_from([b"nx", b"XX", b"CH", b"x"]), degrees, degrees, value),
    words((b"GEOPOS", b"GEOHASH"), key, [value]),
    words(b"GEODIST", key, value, value),
    words(b"GEODIST", key, value, value, st.sampled_from([b"km", b"FT", b"mi", b"m", b"x"])),
    words((b"PUBLISH", b"SPUBLISH"), key, value),
    words(b"PUBSUB", (b"NUMSUB", b"shardnumsub"), [key]),
    words(b"PUBSUB", (b"NUMPAT", b"NUMSUB", b"CHANNELS", b"SHARDCHANNELS")),
    words(b"TIME"),
    words((b"INFO", b"info")),
    words(b"INFO", [st.sampled_from([b"server", b"Keyspace", b"MEMORY", b"everything", b"debug", b"x", b""])]),
    words(b"MEMORY", (b"DOCTOR", b"doctor"), [st.just(b"x")]),
    words(b"CONFIG", (b"GET", b"get"), [st.sampled_from([b"maxmemory", b"save", b"hash-*", b"x", b"none", b"SAVE"])]),
    words((b"FLUSHDB", b"FLUSHALL", b"flushall"), [st.sampled_from([b"SYNC", b"async", b"x", b""])]),
    words(b"SCAN", st.sampled_from([b"x", b"e1", b"nan", b"ABC"])),
    words(b"INCRBYFLOAT", key, st.sampled_from([b"x", b"e5", b"NAN", b"inf", b"infinit", b"none", b"0x1p3", b"1e400"])),
    words(b"SELECT", st.sampled_from([b"999", b"-1", b"2147483647", b"2147483648", b"-2147483648", b"1.0"])),
    words((b"OBJECT", b"CONFIG", b"memory"), st.sampled_from([b"x", b"", b"a\0b", b"a\r\n", b"get\0", b"x" * 200])),
    words(b"FUNCTION", (b"LIST", b"stats", b"DUMP")),
    words(b"FUNCTION", b"LOAD", b"REPLACE", st.sampled_from([LIBRARY, LIBRARY + b" "])),
    words(b"SCRIPT", (b"EXISTS", b"exists"), [st.sampled_from([b"0" * 40, SHA, SHA.upper(), b"x"])]),
    words(b"SWAPDB", st.sampled_from([b"0", b"1", b"99", b"x"]), st.sampled_from([b"0", b"1", b"-1"])),
    words(
        b"COMMAND",
        (b"GETKEYS", b"getkeysandflags"),
        st.sampled_from([b"GET", b"mset", b"SET", b"ZUNION", b"XREAD", b"OBJECT", b"SORT", b"PING", b"EVAL", b"no"]),
        [st.one_of(key, st.sampled_from([b"1", b"2", b"STREAMS", b"FREQ", b"STORE", b"GET"]))],
    ),
    words(b"PFADD", st.sampled_from([b"hll", b"a"]), [value]),
    words(b"PFADD", b"hll", *[b"%d" % n for n in range(2500)]),
    words(b"PFCOUNT", st.sampled_from([b"hll", b"a", b"missing"])),
    words(b"RANDOMKEY"),
    words(b"SELECT", st.sampled_from([b"0", b"x", b"99", b"-1"])),
    words(b"CLIENT", (b"ID", b"getname", b"NO-SUCH")),
    words(b"CLIENT", b"SETNAME", st.sampled_from([b"name", b"", b"a b", b"n\n"])),
    words(b"CLIENT", b"SETINFO", st.sampled_from([b"lib-name", b"LIB-VER"]), st.sampled_from([b"lib", b"", b"a b"])),
    words(b"CLIENT", b"SETINFO", value, value),
    words(b"OBJECT", (b"ENCODING", b"freq", b"IDLETIME", b"refcount"), key),
    words(b"PFADD", st.sampled_from([b"hll", b"hll2", b"a"]), [value]),
    words(b"PFCOUNT", [st.sampled_from([b"hll", b"hll2", b"a", b"missing"])]),
    words(b"PFMERGE", st.sampled_from([b"hll", b"hll2", b"a"]), [st.sampled_from([b"hll", b"hll2", b"a", b"missing"])]),
    words((b"RESTORE",), key, st.sampled_from([b"0", b"100000"]), payloads, b"REPLACE"),
    words((b"BITOP",), st.sampled_from([b"AND", b"or", b"XOR", b"not", b"x"]), key, [key]),
    words(
        b"BITFIELD",
        key,
        b"OVERFLOW",
        st.sampled_from([b"sat", b"FAIL", b"wrap", b"x"]),
        st.sampled_from([b"SET", b"incrby"]),
        field_type,
        field_offset,
        number,
        b"INCRBY",
        field_type,
        field_offset,
        number,
    ),
    words(b"SADD", b"numbers", [number]),
    words((b"SINTER", b"SUNION", b"SDIFF"), [some_set]),
    words((b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"), key, [some_set]),
    words(b"SINTERCARD", st.sampled_from([b"1", b"2", b"0", b"x"]), [some_set]),
    words(b"SINTERCARD", b"2", some_set, some_set, st.sampled_from([b"LIMIT", b"x"]), number),
    words(b"ZADD", b"zset", [score, st.sampled_from([*VALUES, *NUMBERS])]),
    words((b"ZUNION", b"ZINTER", b"ZDIFF", b"ZINTERCARD"), st.sampled_from([b"1", b"2", b"3", b"0"]), [some_zset]),
    words((b"ZUNION", b"ZINTER", b"ZDIFF"), b"2", some_zset, some_zset, st.sampled_from([b"WITHSCORES", b"x"])),
    words((b"ZUNION", b"ZINTER", b"ZDIFF"), b"2", some_zset, some_zset, b"weights", score, score, b"withscores"),
    words((b"ZUNION", b"ZINTER"), b"2", some_zset, some_zset, b"WITHSCORES", b"AGGREGATE", aggregate),
    words(b"ZINTERCARD", b"2", some_zset, some_zset, b"LIMIT", number),
    words((b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE"), key, st.sampled_from([b"1", b"2"]), [some_zset]),
    words(
        (b"ZUNIONSTORE", b"ZINTERSTORE"),
        key,
        b"2",
        some_zset,
        some_zset,
        b"WEIGHTS",
        score,
        score,
        b"Aggregate",
        aggregate,
    ),
)


CLOCKED = (b"PTTL", b"EXPIRETIME", b"PEXPIRETIME")  # the two servers run a moment apart
LFU = {"maxmemory-policy": "allkeys-lfu", "lfu-log-factor": "0", "lfu-decay-time": "0"}  # each access counts
LRU = {"maxmemory-policy": "noeviction"}
EVENTS = ("", "KEA", "KEmn", "Kg$", "El", "AKEmn")
USERS: tuple[tuple[str, ...], ...] = (  # rules of who runs them; none: the user who may do everything
    (),
    ("+@all", "%RW~*", "&*"),
    ("+@all", "-incr", "-lpush", "~a", "%R~b", "%W~list", "~key:*", "&a", "(+@read ~*)"),
    ("+@read", "+@write", "+@connection", "+@transaction", "+eval", "%R~[a-m]*", "%W~*"),
)


class Way(NamedTuple):
    """How commands are run, and in what circumstances."""

    how: str = "one by one"  # or: pipelined, in a script, in a transaction
    lfu: bool = False
    events: str = ""  # notify-keyspace-events, with somebody who listens
    listens: bytes = b"__key*"
    expired: tuple[bytes, ...] = ()  # keys that are there, but whose time has come
    propagated: bool = True  # somebody hears of writes: what the AOF and replicas would
    tracks: tuple[str, ...] = ()  # it caches what it reads: CLIENT TRACKING ON, and who listens is told what is stale
    rules: tuple[str, ...] = ()
    manner: str = ""  # or: untouching, silent, skipping (CLIENT NO-TOUCH, REPLY OFF, REPLY SKIP), paused (PAUSE WRITE)


WAYS = st.builds(
    Way,
    st.sampled_from(["one by one", "pipelined", "in a script", "in a transaction"]),
    st.booleans(),
    st.sampled_from(EVENTS),
    st.sampled_from([b"__key*", b"__keyevent@0__:*", b"__keyspace@*:a", b"other"]),
    st.lists(key, max_size=3).map(tuple),
    st.booleans(),
    st.sampled_from([(), ("ON",), ("ON", "NOLOOP"), ("ON", "OPTIN")]),
    st.sampled_from(USERS),
    st.sampled_from(["", "", "", "untouching", "silent", "skipping", "paused"]),
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two servers of ours that differ in one setting; one hash seed, so that their tables have one order."""
    seed = {"REMUS_HASH_SEED": "7"}
    with (
        Server(tmp_path_factory.mktemp("fast"), env=seed) as fast,
        Server(tmp_path_factory.mktemp("plain"), env=seed) as plain,
    ):
        with plain.connect() as c:
            assert c("DEBUG", "FAST-PATHS", "no") == "OK"
        yield fast, plain


@pytest.fixture(scope="module")
def two(servers: tuple[Server, Server]) -> Iterator[tuple[Connection, Connection]]:
    """A connection to each."""
    with servers[0].connect() as fast, servers[1].connect() as plain:
        yield fast, plain


@pytest.fixture(scope="module")
def listeners(servers: tuple[Server, Server]) -> Iterator[tuple[Connection, Connection]]:
    """Another connection to each, for who listens."""
    with servers[0].connect() as fast, servers[1].connect() as plain:
        yield fast, plain


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, Connection]]:
    """The same with an append only file."""
    arguments = {"env": {"REMUS_HASH_SEED": "7"}, "appendonly": "yes", "appendfsync": "no"}
    with (
        Server(tmp_path_factory.mktemp("fast-aof"), **arguments) as fast,
        Server(tmp_path_factory.mktemp("plain-aof"), **arguments) as plain,
        fast.connect() as a,
        plain.connect() as b,
    ):
        assert b("DEBUG", "FAST-PATHS", "no") == "OK"
        yield a, b


def timeless(stream: bytes) -> bytes:
    """Absolute expire times and stream IDs differ by the milliseconds between the two runs."""
    return unordered(re.sub(rb"\$1[0-9]\r\n\d{13,19}(-\d+)?\r\n", b"$T\r\n", stream))


DELETE = rb"\*2\r\n\$\d+\r\n(?:DEL|UNLINK)\r\n\$\d+\r\n[^\r]*\r\n"


def unordered(stream: bytes) -> bytes:
    """SCAN and KEYS meet what expired in the order of the table, which moves while it grows."""
    return re.sub(b"(?:" + DELETE + b"){2,}", lambda run: b"".join(sorted(re.findall(DELETE, run[0]))), stream)


def state(c: Connection, *, frequencies: bool = False) -> dict[bytes, object]:
    """Every key with type, encoding, whether it expires, and its digest (streams have IDs of their own)."""
    keys = sorted(c("KEYS", "*"))
    found = {}
    for name in keys:
        kind = c("TYPE", name)
        found[name] = (
            kind,
            c("OBJECT", "ENCODING", name),
            c("TTL", name) > 0,
            c("OBJECT", "FREQ", name) if frequencies else None,
            c("DEBUG", "DIGEST-VALUE", name) if kind != "stream" else c("XLEN", name),
            [c("DEBUG", "DIGEST-VALUE", name), c("XINFO", "STREAM", name), c("XINFO", "GROUPS", name)]
            if name == b"es"  # its IDs are given
            else None,
        )
    return found


def timeless_numbers(reply: object) -> object:
    """A reply without points in time."""
    if isinstance(reply, list):
        return [timeless_numbers(each) for each in reply]
    return 0 if isinstance(reply, int) and 10**12 < reply < 10**13 else reply


def comparable(command: tuple[bytes, ...], reply: object) -> object:
    """A reply without what is of the moment, or of chance."""
    if command[0] in CLOCKED and isinstance(reply, int) and reply > 0:
        return 1
    if command[:2] in ((b"CLIENT", b"ID"), (b"OBJECT", b"IDLETIME")) and isinstance(reply, int):
        return 0
    if command[0] == b"XPENDING" and len(command) > 3 and isinstance(reply, list):
        return [[id, owner, 0, deliveries] for id, owner, _, deliveries in reply]
    if command[:2] == (b"XINFO", b"STREAM") and len(command) > 3 and isinstance(reply, list):
        return timeless_numbers(reply)
    if command[0] == b"XREAD":
        return without_ids_of_now(reply)
    if command[:2] == (b"XINFO", b"CONSUMERS") and isinstance(reply, list):
        return [one[:4] for one in reply]
    if command[0] == b"KEYS" and isinstance(reply, list):
        return sorted(reply)
    if command[0] == b"SCAN" and isinstance(reply, list):
        return [reply[0], sorted(reply[1])]        # a table that grows moves its keys with every look at it
    if command[0] in (b"SINTER", b"SUNION", b"SDIFF") and isinstance(reply, list):
        return sorted(reply)
    if command[0] == b"TIME" and isinstance(reply, list):
        return len(reply)
    if command[0].upper() == b"INFO" and isinstance(reply, bytes):
        return comparable_info(command, reply)
    if command[0] == b"DUMP" and is_stream_payload(reply):
        return b"ANY"
    return b"ANY" if command[0] in (b"XADD", b"RANDOMKEY") and isinstance(reply, bytes) else reply


def without_ids_of_now(reply: object) -> object:
    """A reply without the IDs that XADD * made."""
    if isinstance(reply, list):
        return [without_ids_of_now(each) for each in reply]
    return b"ANY" if isinstance(reply, bytes) and re.fullmatch(rb"1[0-9]{12}-[0-9]+", reply) else reply


def comparable_info(command: tuple[bytes, ...], reply: bytes) -> list[bytes]:
    """All of INFO keyspace but times; of other sections the names of fields, or titles where commands have fields."""
    if [word.lower() for word in command[1:]] == [b"keyspace"]:
        return re.findall(rb"[^\r\n]*expires=[0-9]+|^# .*", reply, re.M)
    has_commands = b"everything" in command
    return re.findall(rb"^# .*" if has_commands else rb"^[^:\r\n]*:|^# .*", reply, re.M)


def is_stream_payload(reply: object) -> bool:
    """DUMP's, with IDs and times in it that are of the moment."""
    return isinstance(reply, bytes) and reply[:1] == b"\x15" and reply[-10:-8] == b"\x0b\x00"


def run(c: Connection, commands: list[tuple[bytes, ...]], how: str) -> list[object]:
    """The replies of the commands."""
    if how == "in a script":
        replies = [c("EVAL", SCRIPT, "0", *command) for command in commands]
    elif how == "in a transaction":
        done = c.pipeline([("MULTI",), *commands, ("EXEC",)])[-1]
        if not isinstance(done, list):
            return [done]
        replies = done
    else:
        replies = c.pipeline(commands) if how == "pipelined" else [c(*command) for command in commands]
    return [comparable(command, reply) for command, reply in zip(commands, replies, strict=True)]


def run_silently(c: Connection, commands: list[tuple[bytes, ...]], manner: str) -> list[object]:
    """What comes although no replies are wanted: of the last one alone, which is."""
    if manner == "silent":
        c.send("CLIENT", "REPLY", "OFF")
    for command in commands:
        if manner == "skipping":
            c.send("CLIENT", "REPLY", "SKIP")
        c.send(*command)
    return [c("CLIENT", "REPLY", "ON")]


def spreads(command: tuple[bytes, ...]) -> bool:
    """Whether a pause of writes holds it."""
    known = REGISTERED.get(command[0].decode().lower())
    if known is None:       # the scripting room is not loaded here
        return command[:2] == (b"FUNCTION", b"LOAD")
    if len(command) > 1:
        known = known.subcommands.get(command[1].decode("latin-1").lower(), known)
    return known.has(WRITE | MAY_REPLICATE)


def run_in_manner(c: Connection, commands: list[tuple[bytes, ...]], way: Way) -> list[object]:
    """The replies."""
    if way.manner in ("silent", "skipping"):
        return run_silently(c, commands, way.manner)
    if way.manner == "paused":
        return run(c, [command for command in commands if not spreads(command)], "pipelined")
    if way.manner == "untouching":
        c.ok("CLIENT", "NO-TOUCH", "ON")
    return run(c, commands, way.how)


def prepare(c: Connection, way: Way) -> None:
    """From nothing: an empty keyspace and the settings."""
    c("FLUSHALL")
    c("CONFIG", "SET", *(word for pair in (LFU if way.lfu else LRU).items() for word in pair))
    c("CONFIG", "SET", "notify-keyspace-events", way.events)
    for db in (1, 0):       # of which SWAPDB may make the other
        c("SELECT", db)
        c("RPUSH", "filled", *range(30))  # more than all commands together can pop, so none of them waits
        c("ZADD", "filled-z", *(word for n in range(100) for word in (n, n)))
    c("DEBUG", "SET-ACTIVE-EXPIRE", "0")  # what expires goes when a command meets it, not when the cron does
    if way.expired:
        for name in way.expired:
            c("SET", name, "gone", "PX", "1")
        c("DEBUG", "SLEEP", "0.003")
    c("CONFIG", "RESETSTAT")
    if way.propagated:
        c("DEBUG", "PROPAGATED", "START")


def heard(listener: Connection, pattern: bytes) -> list[object]:
    """What came until now; the end of listening."""
    listener.send("PUNSUBSCRIBE", pattern)
    messages = [listener.read()]
    while messages[-1][0] != b"punsubscribe":
        messages.append(listener.read())
    return [one for is_of_keys, run in groupby(messages, expired) for one in (sorted(run) if is_of_keys else run)]


def expired(message: list[object]) -> bool:
    """Whether it says that a key's time was over: see `unordered`."""
    return message[-1] == b"expired" or b":expired" in bytes(message[-2])


def outcome(
    c: Connection, commands: list[tuple[bytes, ...]], way: Way, listener: Connection | None = None
) -> tuple[object, ...]:
    """Run them from nothing; what can be seen of it. RANDOMKEY would meet what expired by chance."""
    if way.expired:
        commands = [command for command in commands if command[0] != b"RANDOMKEY"]
    prepare(c, way)
    if listener is not None:
        redirect = listener("CLIENT", "ID")
        listener("PSUBSCRIBE", way.listens)
        if way.tracks:
            c.ok("CLIENT", "TRACKING", *way.tracks, "REDIRECT", redirect)
    if way.manner == "paused":
        c.ok("CLIENT", "PAUSE", 100000, "WRITE")
    if way.rules:
        c("ACL", "SETUSER", "u", "reset", "on", "nopass", *way.rules)
        c("AUTH", "u", "")
    replies = run_in_manner(c, commands, way)
    c("AUTH", "default", "")
    c.ok("CLIENT", "NO-TOUCH", "OFF")
    c.ok("CLIENT", "UNPAUSE")
    c.ok("CLIENT", "TRACKING", "OFF")
    messages = heard(listener, way.listens) if listener is not None else None
    stream = c("DEBUG", "PROPAGATED", "GET") if way.propagated else b""
    if way.propagated:
        c("DEBUG", "PROPAGATED", "STOP")
    info = dict(
        line.split(b":", 1)
        for line in bytes(c("INFO", "stats", "commandstats", "errorstats")).split(b"\r\n")
        if b":" in line
    )
    counters = {
        name: info[name] for name in (b"keyspace_hits", b"keyspace_misses", b"expired_keys", b"total_error_replies")
    }
    calls = {
        name: re.sub(rb"usec[^,]*,", b"", text)
        for name, text in info.items()
        if name.startswith((b"cmdstat_", b"errorstat_")) and not name.startswith((b"cmdstat_debug", b"cmdstat_info"))
    }
    seen = timeless(stream if isinstance(stream, bytes) else repr(stream).encode())
    return replies, messages, counters, calls, seen, state(c, frequencies=way.lfu)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(COMMANDS, min_size=1, max_size=25), WAYS)
def test_on_and_off_agree(
    two: tuple[Connection, Connection],
    listeners: tuple[Connection, Connection],
    commands: list[tuple[bytes, ...]],
    way: Way,
) -> None:
    """Replies, messages, counters, statistics, stream and keyspace are equal."""
    fast, plain = (outcome(c, commands, way, listener) for c, listener in zip(two, listeners, strict=True))
    for seen, expected in zip(fast, plain, strict=True):
        assert seen == expected


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(COMMANDS, min_size=1, max_size=25))
def test_a_file_brings_it_back(durable: tuple[Connection, Connection], commands: list[tuple[bytes, ...]]) -> None:
    """With an append only file: what is loaded from it, by the fast way and by the plain one, is what was there."""
    loaded = []
    for c in durable:
        prepare(c, Way(propagated=False))
        run(c, commands, "pipelined")
        before = {name: found[0] for name, found in state(c).items()}  # type: ignore[index]
        digest = c("DEBUG", "DIGEST")
        assert c("DEBUG", "LOADAOF") == "OK"
        assert c("DEBUG", "DIGEST") == digest
        loaded.append(state(c))
        assert {name: found[0] for name, found in loaded[-1].items()} == before  # type: ignore[index]
    assert loaded[0] == loaded[1]


def test_every_fast_path_is_in_the_grammar() -> None:
    """MULTI, what ends it and WATCH are in that of test_fast_transactions, what changes how a connection is answered in
    that of test_fast_connections; scripts, which this process may know or not, are run by both. REPLCONF has no
    reply."""
    record.build_records()
    shapes.attach(REGISTERED)
    names = set(shapes.fast_path_names(REGISTERED))
    assert len(names) > 100
    assert names - NAMED <= {"multi", "watch", "unwatch", "discard", "replconf", *OF_CONNECTIONS, *SCRIPTS}


def taken(c: Connection) -> int:
    """How many commands fast paths have done."""
    return int(re.search(rb"fast_path_commands:(\d+)", c("INFO", "debug"))[1])  # type: ignore[index]


def test_the_setting_decides(two: tuple[Connection, Connection]) -> None:
    """The property compares two servers that really take different ways."""
    for c, expected in zip(two, (2, 0), strict=True):
        prepare(c, Way(propagated=False))
        before = taken(c)
        c("SET", "a", "1")
        c("GET", "a")
        assert taken(c) - before == expected


def test_keyspace_events_are_told_on_the_fast_way(
    two: tuple[Connection, Connection], listeners: tuple[Connection, Connection]
) -> None:
    """An event costs no command its fast path, and comes for every key that changed, in order."""
    commands = [("HSET", "h", "f", "v"), ("HDEL", "h", "f"), ("MSET", "a", "1", "b", "2"), ("GET", "none")]
    for c, listener, expected in zip(two, listeners, (4, 0), strict=True):
        prepare(c, Way(events="AKEm", propagated=False))
        listener("PSUBSCRIBE", "__keyevent@0__:*")
        before = taken(c)
        c.pipeline(commands)
        assert taken(c) - before == expected
        told = [(message[2].rpartition(b":")[2], message[3]) for message in heard(listener, b"__keyevent@0__:*")[:-1]]
        assert told == [
            (b"hset", b"h"),
            (b"hdel", b"h"),
            (b"del", b"h"),
            (b"set", b"a"),
            (b"set", b"b"),
            (b"keymiss", b"none"),
        ]


def test_who_hears_of_its_own_writes_hears_after_the_reply(two: tuple[Connection, Connection]) -> None:
    """RESP3: a push follows the reply of the command that caused it."""
    for c in two:
        prepare(c, Way(events="AKEn", propagated=False))
        c("HELLO", "3")
        c.send("SUBSCRIBE", "__keyevent@0__:new", "__keyevent@0__:sadd")
        c.read_many(2)
        c.send("SADD", "mine", "x")
        assert c.read() == 1
        assert [c.read()[1] for _ in range(2)] == [b"__keyevent@0__:new", b"__keyevent@0__:sadd"]
        c.send("RESET")
        assert c.read() == "RESET"


def test_who_hears_of_its_own_misses_hears_after_the_reply(two: tuple[Connection, Connection]) -> None:
    commands: list[tuple[tuple[str, ...], object, int]] = [
        (("SINTER", "no1", "no2"), [], 2),
        (("SUNION", "no1", "no2"), [], 2),
        (("SDIFF", "no1", "no2"), [], 2),
        (("SINTERCARD", "2", "no1", "no2"), 0, 2),
        (("ZUNION", "2", "no1", "no2"), [], 2),
        (("ZINTERCARD", "1", "no1"), 0, 1),
        (("PFCOUNT", "no1"), 0, 1),
        (("PFCOUNT", "no1", "no2"), 0, 2),
        (("MGET", "no1", "no2"), [None, None], 2),
        (("GET", "no1"), None, 1),
        (("OBJECT", "ENCODING", "no1"), None, 0),
    ]
    for c in two:
        prepare(c, Way(events="AKEm", propagated=False))
        c("HELLO", "3")
        c.send("SUBSCRIBE", "__keyevent@0__:keymiss")
        c.read()
        for words, reply, misses in commands:
            c.send(*words)
            answer = c.read()
            assert (list(answer) if isinstance(answer, set) else answer) == reply, words
            assert [c.read()[2] for _ in range(misses)] == [b"no1", b"no2"][:misses], words
        c.send("RESET")
        assert c.read() == "RESET"
