"""A fast path may decline, never differ: the same commands with fast paths on and off give the same replies, the same
keyspace (values, encodings, expires, digest), the same counters and the same propagated stream."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

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
stream_id, consumer = st.sampled_from(IDS), st.sampled_from([b"alice", b"bob"])
number, seconds, score = st.sampled_from(NUMBERS), st.sampled_from(SECONDS), st.sampled_from(SCORES)


def words(*parts: object) -> st.SearchStrategy[tuple[bytes, ...]]:
    """A command: bytes stand for themselves, strategies are drawn, a list of them is repeated one to three times."""
    drawn = []
    for part in parts:
        if isinstance(part, bytes):
            drawn.append(st.just((part,)))
        elif isinstance(part, list):
            drawn.append(st.lists(st.tuples(*part), min_size=1, max_size=3).map(lambda rows: sum(rows, ())))
        else:
            drawn.append(part.map(lambda one: (one,)))  # type: ignore[attr-defined]
    return st.tuples(*drawn).map(lambda pieces: sum(pieces, ()))


COMMANDS = st.one_of(
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
    words(st.sampled_from([b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"]), key, seconds),
    words(st.sampled_from([b"EXPIREAT", b"PEXPIREAT"]), key, st.sampled_from([b"4000000000", b"4000000000000"])),
    words(b"EXPIRE", key, seconds, st.sampled_from([b"NX", b"gt", b"zz"])),
    words(st.sampled_from([b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"TYPE"]), key),
    words(st.sampled_from([b"UNLINK", b"TOUCH"]), [key]),
    words(b"SETNX", key, value),
    words(st.sampled_from([b"SETEX", b"PSETEX"]), key, seconds, value),
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
    words(st.sampled_from([b"BITFIELD", b"BITFIELD_RO"]), key, [st.just(b"GET"), field_type, field_offset]),
    words(b"BITFIELD", key, [st.sampled_from([b"set", b"INCRBY"]), field_type, field_offset, number]),
    words(b"BITFIELD", key, b"GET", field_type, field_offset, b"SET", field_type, field_offset, number),
    words(b"BITFIELD", key, b"OVERFLOW", b"SAT", b"INCRBY", field_type, field_offset, number),
    words(st.sampled_from([b"BITFIELD", b"BITFIELD_RO"]), key),
    words(b"GETSET", key, value),
    words(b"GETDEL", key),
    words(b"GETEX", key),
    words(b"GETEX", key, st.sampled_from([b"PERSIST", b"EX"])),
    words(b"GETEX", key, st.sampled_from([b"EX", b"px", b"PXAT"]), seconds),
    words(b"STRLEN", key),
    words(st.sampled_from([b"GETRANGE", b"SUBSTR"]), key, number, number),
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
    words(st.sampled_from([b"LPUSHX", b"RPUSHX"]), key, [value]),
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
    words(st.sampled_from([b"ZPOPMIN", b"ZPOPMAX"]), key, number),
    words(b"ZREMRANGEBYSCORE", key, score, score),
    words(b"ZREMRANGEBYRANK", key, number, number),
    words(b"ZRANGE", key, number, number, st.sampled_from([b"REV", b"bylex", b"BYSCORE"])),
    words(b"ZRANGE", key, score, score, b"BYSCORE", st.sampled_from([b"REV", b"withscores", b"BYSCORE"])),
    words(b"ZRANGE", key, score, score, b"byscore", b"LIMIT", number, number, b"REV", b"WITHSCORES"),
    words(b"ZRANGE", key, number, number, b"LIMIT", number, number),
    words(
        st.sampled_from([b"ZREVRANGE", b"ZRANGEBYSCORE"]),
        key,
        number,
        number,
        st.sampled_from([b"REV", b"BYSCORE"]),
    ),
    words(b"SMOVE", key, key, value),
    words(b"SMOVE", b"one", key, b"member"),
    words(st.sampled_from([b"SRANDMEMBER", b"SPOP"]), st.sampled_from([b"nothing", b"filled", b"one"]), number),
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
    words(b"ZADD", b"single", score, b"m"),
    words(b"SPOP", key, b"50"),
    words(b"ZRANDMEMBER", st.sampled_from([b"nothing", b"filled", b"single"])),
    words(b"ZRANDMEMBER", st.sampled_from([b"nothing", b"filled", b"single"]), number),
    words(b"ZRANDMEMBER", b"single", number, st.sampled_from([b"WITHSCORES", b"x"])),
    words(st.sampled_from([b"ZRANK", b"ZREVRANK"]), key, value, st.sampled_from([b"withscore", b"x"])),
    words(b"ZADD", key, st.sampled_from([b"NX", b"XX", b"gt", b"LT", b"CH"]), b"incr", score, value),
    words(b"ZADD", key, b"INCR", score, value, score, value),
    words(st.sampled_from([b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZLEXCOUNT", b"ZREMRANGEBYLEX"]), lex_key, lex, lex),
    words(b"ZRANGEBYLEX", lex_key, lex, lex, b"LIMIT", number, number),
    words(b"ZRANGE", lex_key, lex, lex, b"BYLEX", st.sampled_from([b"REV", b"WITHSCORES", b"BYSCORE"])),
    words(b"ZADD", b"equal", [st.just(b"0"), value]),
    words(b"ZMPOP", b"1", key, st.sampled_from([b"MIN", b"max", b"x"])),
    words(b"ZMPOP", b"2", key, key, b"MAX", b"COUNT", number),
    words(b"ZMPOP", number, key, b"MIN"),
    words(b"BZMPOP", b"1", b"2", key, b"filled-z", st.sampled_from([b"min", b"MAX"]), b"COUNT", number),
    words(st.sampled_from([b"BZPOPMIN", b"BZPOPMAX"]), key, b"filled-z", st.sampled_from([b"0", b"1", b"0.5"])),
    words(b"XADD", key, b"*", [field, value]),
    words(b"XLEN", key),
    words(b"XADD", b"es", stream_id, field, value),
    words(b"XADD", b"es", b"MAXLEN", st.sampled_from([b"=", b"~"]), number, stream_id, field, value),
    words(b"XADD", b"es", st.sampled_from([b"NOMKSTREAM", b"MAXLEN"]), stream_id, field, value),
    words(b"XTRIM", st.sampled_from([b"es", b"a"]), b"MAXLEN", number),
    words(b"XTRIM", b"es", b"MAXLEN", st.sampled_from([b"=", b"~", b"x"]), number),
    words(b"XDEL", st.sampled_from([b"es", b"a", b"missing"]), [stream_id]),
    words(st.sampled_from([b"XRANGE", b"XREVRANGE"]), b"es", stream_id, stream_id),
    words(st.sampled_from([b"XRANGE", b"XREVRANGE"]), b"es", stream_id, stream_id, b"COUNT", number),
    words(b"XREAD", b"STREAMS", st.sampled_from([b"es", b"a", b"missing"]), stream_id),
    words(b"XREAD", b"COUNT", number, b"streams", b"es", stream_id),
    words(b"XREAD", b"COUNT", b"2", b"STREAMS", b"es", b"es", stream_id, stream_id),
    words(b"XGROUP", b"CREATE", b"es", b"g", stream_id, b"MKSTREAM"),
    words(b"XGROUP", b"SETID", b"es", b"g", stream_id),
    words(b"XREADGROUP", b"GROUP", b"g", consumer, b"STREAMS", b"es", st.sampled_from([b">", b"0", b"$"])),
    words(b"XREADGROUP", b"GROUP", b"g", consumer, b"COUNT", number, b"STREAMS", b"es", b">"),
    words(b"XREADGROUP", b"GROUP", b"g", consumer, b"NOACK", b"COUNT", number, b"STREAMS", b"es", b">"),
    words(b"XACK", b"es", b"g", [stream_id]),
    words(st.sampled_from([b"BLPOP", b"BRPOP"]), [key], st.sampled_from([b"-1", b"x"])),
    words(st.sampled_from([b"BLPOP", b"BRPOP"]), key, b"filled", st.sampled_from([b"0", b"1", b"0.5"])),
    words(b"LPOS", key, value),
    words(b"LPOS", key, value, b"RANK", number),
    words(b"LINSERT", key, st.sampled_from([b"BEFORE", b"after", b"x"]), value, value),
    words(b"LMPOP", b"1", key, st.sampled_from([b"LEFT", b"right", b"x"])),
    words(b"LMPOP", b"2", key, key, b"RIGHT", b"count", number),
    words(b"LMPOP", number, key, b"LEFT"),
    words(b"BLMPOP", b"1", b"2", key, b"filled", b"LEFT", b"COUNT", st.sampled_from([b"1", b"0", b"x"])),
    words(b"BLMOVE", b"filled", key, st.sampled_from([b"LEFT", b"right", b"x"]), b"LEFT", b"1"),
    words(b"BRPOPLPUSH", b"filled", key, st.sampled_from([b"0", b"1", b"x"])),
    words(st.sampled_from([b"RENAME", b"RENAMENX", b"COPY"]), key, key),
    words(b"COPY", key, key, st.sampled_from([b"replace", b"x"])),
    words(b"DBSIZE"),
    words(b"SCAN", number),
    words(b"SCAN", b"0", b"COUNT", st.sampled_from([b"1000", b"0", b"x"])),
    words(st.sampled_from([b"EXPIRE", b"PEXPIRE"]), key, seconds, st.sampled_from([b"nx", b"XX", b"GT", b"lt", b"zz"])),
    words(
        st.sampled_from([b"EXPIREAT", b"PEXPIREAT"]),
        key,
        st.sampled_from(TIMES),
        st.sampled_from([b"XX", b"GT", b"LT"]),
    ),
    words(b"GEOADD", key, [degrees, degrees, value]),
    words(b"GEOADD", key, st.sampled_from([b"nx", b"XX", b"CH", b"x"]), degrees, degrees, value),
    words(st.sampled_from([b"GEOPOS", b"GEOHASH"]), key, [value]),
    words(b"GEODIST", key, value, value),
    words(b"GEODIST", key, value, value, st.sampled_from([b"km", b"FT", b"mi", b"m", b"x"])),
    words(b"PUBLISH", key, value),
    words(b"PFADD", st.sampled_from([b"hll", b"a"]), [value]),
    words(b"PFADD", b"hll", *[b"%d" % n for n in range(2500)]),
    words(b"PFCOUNT", st.sampled_from([b"hll", b"a", b"missing"])),
)


CLOCKED = (b"PTTL", b"EXPIRETIME", b"PEXPIRETIME")  # the two servers run a moment apart


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, Connection]]:
    """Two servers of ours that differ in one setting; one hash seed, so that their tables have one order."""
    seed = {"REMUS_HASH_SEED": "7"}
    with (
        Server(tmp_path_factory.mktemp("fast"), env=seed) as fast,
        Server(tmp_path_factory.mktemp("plain"), env=seed) as plain,
        fast.connect() as a,
        plain.connect() as b,
    ):
        assert b("DEBUG", "FAST-PATHS", "no") == "OK"
        yield a, b


def timeless(stream: bytes) -> bytes:
    """Absolute expire times and stream IDs differ by the milliseconds between the two runs."""
    return re.sub(rb"\$1[0-9]\r\n\d{13,19}(-\d+)?\r\n", b"$T\r\n", stream)


def state(c: Connection) -> dict[bytes, object]:
    """Every key with type, encoding, whether it expires, and its digest (streams have IDs of their own)."""
    keys = sorted(c("KEYS", "*"))
    found = {}
    for name in keys:
        kind = c("TYPE", name)
        found[name] = (
            kind,
            c("OBJECT", "ENCODING", name),
            c("TTL", name) > 0,
            c("DEBUG", "DIGEST-VALUE", name) if kind != "stream" else c("XLEN", name),
            [c("DEBUG", "DIGEST-VALUE", name), c("XINFO", "STREAM", name), c("XINFO", "GROUPS", name)]
            if name == b"es"  # its IDs are given
            else None,
        )
    return found


def outcome(c: Connection, commands: list[tuple[bytes, ...]], pipelined: bool) -> tuple[object, ...]:
    """Run them from nothing; what can be seen of it."""
    c("FLUSHALL")
    c("RPUSH", "filled", *range(30))  # more than all commands together can pop, so none of them waits
    c("ZADD", "filled-z", *(word for n in range(100) for word in (n, n)))
    c("CONFIG", "RESETSTAT")
    c("DEBUG", "PROPAGATED", "START")
    replies = c.pipeline(commands) if pipelined else [c(*command) for command in commands]
    replies = [
        1 if command[0] in CLOCKED and isinstance(reply, int) and reply > 0 else reply
        for command, reply in zip(commands, replies, strict=True)
    ]
    replies = [
        b"ID" if command[0] == b"XADD" and isinstance(reply, bytes) else reply
        for command, reply in zip(commands, replies, strict=True)
    ]
    stream = c("DEBUG", "PROPAGATED", "GET")
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
    return replies, counters, calls, timeless(stream if isinstance(stream, bytes) else repr(stream).encode()), state(c)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(COMMANDS, min_size=1, max_size=25), st.booleans())
def test_on_and_off_agree(
    two: tuple[Connection, Connection], commands: list[tuple[bytes, ...]], pipelined: bool
) -> None:
    """Replies, counters, statistics, stream and keyspace are equal."""
    fast, plain = (outcome(c, commands, pipelined) for c in two)
    for seen, expected in zip(fast, plain, strict=True):
        assert seen == expected


def taken(c: Connection) -> int:
    """How many commands fast paths have done."""
    return int(re.search(rb"fast_path_commands:(\d+)", c("INFO", "debug"))[1])  # type: ignore[index]


def test_the_setting_decides(two: tuple[Connection, Connection]) -> None:
    """The property compares two servers that really take different ways."""
    for c, expected in zip(two, (2, 0), strict=True):
        before = taken(c)
        c("SET", "a", "1")
        c("GET", "a")
        assert taken(c) - before == expected
