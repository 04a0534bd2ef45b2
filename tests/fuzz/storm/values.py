"""Values for arguments: what their name suggests, and the edges of everything.

`value` chooses by the argument's name and type in COMMAND DOCS: mostly something plausible, from small pools so that
commands meet; now and then something that fits no argument.
"""

import random

POWERS = (7, 8, 15, 16, 31, 32, 53, 62, 63, 64)
EDGES = sorted({sign * (2**power + more) for power in POWERS for more in (-1, 0, 1) for sign in (1, -1)})
NASTY_NUMBERS = [
    b"nan", b"-nan", b"inf", b"-inf", b"+inf", b"1e300", b"-1e300", b"1e-300", b"5e-324", b"1e400", b"0x10", b"01",
    b" 1", b"1 ", b"+1", b"-0", b"1.0", b"0.1", b".5", b"5.", b"1e3", b"--1", b"-", b"+", b"1_0", "١".encode(),
    b"9" * 40, b"0" * 30 + b"1", b"1.7976931348623157e308", b"18446744073709551616", b"3.0000000000000000000000001",
]  # fmt: skip
NASTY_WORDS = [
    b"", b"\0", b"\xff\xfe", b"\r\n", b"a\0b", b"\r\n$1\r\n", b"*", b"[", b"[^", b"\\", b"(", b"(1", b"[a", b"$", b">",
    b"%s%n%d", b"-", b"+", b"?", b"#", b"~", b"=", b"!", b"NaN", b"nil", b"None", b"true", b'"', b"'", b"{}", b"{a}",
    "ключ".encode(), b"a" * 63, b"b" * 64, b"c" * 65, b"d" * 255, b"e" * 256, b"f" * 5000, b"g" * 70_000,
]  # fmt: skip
OPTION_WORDS = [
    b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR", b"EX", b"PX", b"KEEPTTL", b"GET", b"LIMIT", b"COUNT", b"MATCH", b"BY",
    b"STORE", b"WITHSCORES", b"REV", b"BYLEX", b"BYSCORE", b"WEIGHTS", b"AGGREGATE", b"MAXLEN", b"MINID", b"STREAMS",
    b"GROUP", b"BLOCK", b"JUSTID", b"FORCE", b"IDLE", b"LEFT", b"RIGHT", b"MIN", b"MAX", b"REPLACE", b"ASC", b"ALPHA",
    b"ANY", b"RANK", b"TYPE", b"NOACK", b"ID", b"FULL", b"OVERFLOW", b"DB", b"LEN", b"IDX", b"WITHVALUES", b"SYNC",
]  # fmt: skip

LETTERS = {
    "string": b"s", "list": b"l", "hash": b"h", "set": b"e", "sorted-set": b"z", "stream": b"x", "bitmap": b"b",
    "hyperloglog": b"p", "geo": b"g",
}  # fmt: skip
KEYS_OF_A_TYPE = 3
ALL_KEYS = [letter + b"%d" % number for letter in LETTERS.values() for number in range(1, KEYS_OF_A_TYPE + 1)]

MEMBERS = [*(b"m%d" % number for number in range(12)), b"1", b"2", b"-3", b"40000", b"70000", b"5000000000", b"x" * 70]
VALUES = [b"", b"a", b"b", b"1", b"-1", b"10", b"3.5", b"hello world", b"y" * 44, b"y" * 45, b"z" * 300, b"w" * 9000]
IDS = [b"0", b"0-1", b"1", b"1-1", b"1-2", b"2-0", b"3-3", b"5", b"7-7", b"9-9", b"20-0", b"*", b"$", b"+", b"-", b"(1"]
SCORES = [b"0", b"1", b"2", b"-1", b"1.5", b"3", b"-0", b"inf", b"-inf", b"1e20", b"0.1", b"1234567"]
BOUNDS = [b"-inf", b"+inf", b"0", b"1", b"2", b"(1", b"(2", b"[a", b"(m3", b"[m9", b"-", b"+"]
INDEXES = [b"0", b"-1", b"1", b"2", b"3", b"-2", b"5", b"100", b"-100"]
COUNTS = [b"1", b"2", b"3", b"0", b"10", b"100", b"-1", b"-5"]
SHORT_TIMES = [b"0.01", b"0.02", b"0.001", b"1", b"0"]
FAR = 4102444800  # a second in 2100

POOLS: dict[str, list[bytes]] = {
    "member": MEMBERS, "member1": MEMBERS, "member2": MEMBERS, "element": MEMBERS + VALUES, "pivot": MEMBERS,
    "field": [b"f%d" % number for number in range(8)], "value": VALUES + MEMBERS, "id": IDS, "last-id": IDS,
    "lastid": IDS, "max-deleted-id": IDS, "score": SCORES, "increment": [*SCORES, b"5", b"-7"], "weight": SCORES,
    "min": BOUNDS, "max": BOUNDS, "start": INDEXES + IDS[:12], "stop": INDEXES, "end": INDEXES + IDS[:12],
    "index": INDEXES, "index1": INDEXES, "index2": INDEXES, "offset": [b"0", b"1", b"7", b"8", b"100", b"#1", b"-1"],
    "count": COUNTS, "limit": COUNTS, "rank": [b"1", b"-1", b"2", b"-2", b"0"], "len": COUNTS, "num-matches": COUNTS,
    "threshold": [*COUNTS, *IDS[:11]], "group": [b"g1", b"g2", b"g3"], "consumer": [b"c1", b"c2", b"c3"],
    "pattern": [b"*", b"s*", b"?1", b"[a-m]*", b"h1", b"\\*", b"m*"], "channel": [b"c1", b"c2", b"news"],
    "shardchannel": [b"c1", b"c2"], "bit": [b"0", b"1"], "encoding": [b"u8", b"i8", b"u4", b"i64", b"u63", b"u64"],
    "longitude": [b"13.36", b"15.08", b"2.35", b"-0.1", b"179.9", b"-180", b"180"],
    "latitude": [b"38.11", b"37.5", b"48.85", b"51.5", b"-85", b"85"],
    "radius": [b"200", b"1", b"0", b"5000", b"20000"], "width": [b"200", b"0", b"9000"], "height": [b"100", b"1"],
    "db": [b"0", b"1", b"9"], "destination-db": [b"0", b"1", b"2"], "cursor": [b"0", b"0", b"1", b"17", b"1000"],
    "timeout": SHORT_TIMES, "seconds": [b"1000", b"5000", b"1", b"0", b"-1"],
    "milliseconds": [b"100000", b"7", b"1", b"0", b"-1", b"5000000"], "ms": [b"1", b"10", b"0"],
    "ttl": [b"0", b"100000", b"-1"], "min-idle-time": [b"0", b"1", b"100000"],
    "unix-time-seconds": [b"%d" % FAR, b"1", b"0", b"%d" % (FAR + 99)],
    "unix-time-milliseconds": [b"%d" % (FAR * 1000), b"1", b"0", b"%d" % (FAR * 1000 + 12345)],
    "protover": [b"2", b"3"], "by-pattern": [b"s*", b"h*->f1", b"nosort", b"*"],
    "get-pattern": [b"#", b"s*", b"h*->f1"],
    "type": [b"string", b"list", b"set", b"zset", b"hash", b"stream", b"module"], "username": [b"default", b"nobody"],
    "version": [b"5", b"6", b"0"], "subcommand": [b"GET", b"KILL", b"LIST"], "command-name": [b"get", b"x"],
    "category": [b"read", b"write", b"dangerous"], "event": [b"command", b"fork"], "slot": [b"0", b"16383"],
    "section": [b"all", b"server", b"memory", b"stats", b"commandstats", b"errorstats", b"keyspace", b"everything"],
    "parameter": [b"*", b"maxmemory*", b"save", b"*-max-*"], "client-id": [b"1", b"5", b"10"], "ratio": [b"1", b"100"],
    "frequency": [b"0", b"255"], "entries-read": COUNTS, "entriesread": COUNTS, "entries-added": COUNTS,
    "function": [b"run", b"run_ro", b"nosuch"], "library-name": [b"storm", b"nosuch"], "name": [b"get", b"x"],
    "separator": [b":", b"_"], "depth": [b"1", b"2"], "password": [b"secret"], "path": [b"/nonexistent"],
}  # fmt: skip


def edge(chance: random.Random) -> bytes:
    """A number that somebody may have forgotten."""
    if chance.random() < 0.6:
        return b"%d" % chance.choice(EDGES)
    return chance.choice(NASTY_NUMBERS)


def anything(chance: random.Random) -> bytes:
    """A word that fits nowhere."""
    return chance.choice((edge, lambda c: c.choice(NASTY_WORDS), lambda c: c.choice(OPTION_WORDS)))(chance)


def key(chance: random.Random, group: str) -> bytes:
    """Mostly one of the type that a command of this group wants."""
    luck = chance.random()
    if luck < 0.01:
        return chance.choice(NASTY_WORDS)
    if luck < 0.08 or group not in LETTERS:
        return chance.choice(ALL_KEYS)
    return LETTERS[group] + b"%d" % chance.randint(1, KEYS_OF_A_TYPE)


def value(chance: random.Random, name: str, kind: str, nasty: float) -> bytes:
    """One value for an argument of this name and type (integer, double, string, pattern, unix-time)."""
    if chance.random() < nasty:
        return edge(chance) if kind in ("integer", "double", "unix-time") else anything(chance)
    pool = POOLS.get(name)
    if pool:
        return chance.choice(pool)
    return chance.choice(COUNTS if kind in ("integer", "double", "unix-time") else VALUES)
