"""Commands made from bytes, by templates: what the differential tests send.

hypothesis draws one short byte string per command (cheap to draw, and shrinking it leaves out whole commands, options
and repetitions); `command_from` reads choices from these bytes and fills a template. A template is a command's syntax:

    ZADD zset [NX|XX] [CH] <score member>...

UPPERCASE words are sent as they are; lowercase words are slots (SLOTS: a small pool of values for each, with the edges
of every encoding in it); [a|b] may be left out; {a|b} may not; <..>... is one to four times; `#set` is a count and that
many keys. A slot named like a type is mostly one of the two keys of that type, sometimes another's: WRONGTYPE.
Choice 0 is always the simplest, and bytes that are missing are 0. A blank line ends the templates of a type, in the
order of TYPE_KEYS: sequences are mostly about one type, for its commands to meet.
"""

import re
from collections.abc import Callable


class Choices:
    """Bytes read as decisions. `focus`: the type that the sequence is about, its place in TYPE_KEYS from 1; 0: all."""

    def __init__(self, data: bytes, focus: int = 0) -> None:
        self.data = data
        self.focus = focus
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def below(self, limit: int) -> int:
        if limit <= 256:
            return self.byte() % limit
        return (self.byte() * 256 + self.byte()) % limit


Words = list[bytes]
Maker = Callable[[Choices], Words]


def pool(*values: object) -> Maker:
    """One of the values."""
    words = [value if isinstance(value, bytes) else str(value).encode() for value in values]
    return lambda choices: [words[choices.below(len(words))]]


TYPE_KEYS = {
    "string": "s", "list": "l", "hash": "h", "set": "e", "zset": "z", "stream": "x", "bits": "b", "hll": "p",
    "geo": "g",
}  # fmt: skip
KEYS = [f"{letter}{n}".encode() for letter in TYPE_KEYS.values() for n in (1, 2)]
ELSEWHERE = 12  # of 256 keys are of another type than the command wants


def keys_of(letter: str) -> Maker:
    """A key of one type, rarely another."""

    def make(choices: Choices) -> Words:
        byte = choices.byte()
        if byte >= 256 - ELSEWHERE:
            return [KEYS[choices.below(len(KEYS))]]
        return [f"{letter}{1 + byte % 2}".encode()]

    return make


INTEGERS = (
    0, 1, -1, 2, 3, 10, 12, 13, 63, 64, 127, 128, -128, -129, 4095, 4096, -4097, 32767, 32768, -32769, 8388607, 8388608,
    -8388609, 2147483647, 2147483648, -2147483649, 9223372036854775807, -9223372036854775808,
)  # fmt: skip
WRONG_INTEGERS = ("9223372036854775808", "01", " 1", "+1", "1.0", "", "-0", "x")
TEXTS = (
    b"",
    b"a",
    b"b",
    b"abc",
    b"hello world",
    b"y" * 8,
    b"z" * 9,
    b"\x00\xff\r\n",
    b"m" * 63,
    b"n" * 64,
    b"o" * 300,
    b"w" * 9000,
)
SCORES = ("0", "1", "2", "-1", "1.5", "3", "-0", "inf", "-inf", "1e20", "0.5", "3.25", "1234567")
FLOATS = ("1", "0.1", "-1.5", "3.0e3", "1e-5", "100000000000000000000", "5e-324", "nan", "inf", "x", " 1", "0x10")
IDS = ("1-1", "1-2", "2-0", "3-3", "4", "5-1", "6-0", "7-7", "8-1", "9-9", "20-0", "0-0", "0-1", "x", "1-x", "3-*")
RANGE_IDS = ("-", "+", "1", "2", "(1-1", "3-3", "5", "(7-7", "20", "(20-0", "0", "x", "18446744073709551615", "(+")
MEMBERS = (
    b"a", b"b", b"c", b"d", b"e", b"f", b"1", b"2", b"3", b"-5", b"300", b"40000", b"70000", b"5000000000", b"z" * 9,
    b"01",
)  # fmt: skip


def any_key(choices: Choices) -> Words:
    """A key of the type in focus, or one of all."""
    byte = choices.byte()
    if choices.focus and byte < 192:
        return [KEYS[2 * choices.focus - 2 + byte % 2]]
    return [KEYS[byte % len(KEYS)]]


SLOTS: dict[str, Maker] = {
    "key": any_key,
    "lexical": pool("z3"),  # where all scores are 0: by LEX, others have no defined order
    **{name: keys_of(letter) for name, letter in TYPE_KEYS.items()},
    "value": pool(*TEXTS, *INTEGERS, *WRONG_INTEGERS),
    "member": pool(*MEMBERS),
    "field": pool("f1", "f2", "f3", "f4", "f5", "f6", "7", "long-field"),
    "integer": pool(*INTEGERS[:20], *INTEGERS, *WRONG_INTEGERS[:2]),
    "index": pool(0, -1, 1, 2, 3, -2, -3, 4, 5, 7, -5, 100, -100, 0, 1, -1, "x"),
    "count": pool(1, 2, 3, 0, 1, 2, 4, 10, 1000, -1, "x"),
    "positive": pool(1, 2, 3, 5, 1, 2, 10, 1000),
    "all": pool(1000),
    "negative": pool(-3, -1, -7),
    "offset": pool(0, 1, 2, 7, 8, 9, 15, 40, 70, -1, 300),
    "bit": pool(0, 1, 1, 1, 2),
    "float": pool(*FLOATS),
    "score": pool(*SCORES[:8], *SCORES[:6], *SCORES, "nan", "x"),
    "bound": pool("-inf", "+inf", 0, 1, 2, "(1", "(2", "1.5", "(1.5", "3", "-1", "(x"),
    "lex": pool("-", "+", "[a", "(a", "[c", "(c", "[e", "[1", "(3", "x"),
    "id": pool(*IDS),
    "after": pool("0", "1-1", "3", "7-7", "20-0"),
    "range": pool(*RANGE_IDS),
    "group": pool("g1", "g2", "g1", "g3"),
    "consumer": pool("c1", "c2", "c1", "c3"),
    "new": pool(">"),
    "far": pool(100000, 200000, 100000, -1, 0, "x", 9223372036854775807),
    "at": pool(4102444800, 4102444900, 4102444800, 1, 0, -1),
    "at_ms": pool(4102444800000, 4102444900123, 4102444800000, 1, 0, -1),
    "pattern": pool("*", "f*", "?1", "[a-e]*", "z*", "[^1]*", "\\a"),
    "type": pool("u8", "i8", "u4", "i5", "u1", "i64", "u63", "i16", "u64", "i0", "x"),
    "bit_offset": pool(0, 1, "#1", 8, "#0", 13, 100, "#7", -1),
    "by": pool("s*", "h*->f1", "nosort", "x1->f", "*"),
    "get": pool("#", "s*", "h*->f1", "*", "h1->*"),
    "timeout": pool("0.01", "1", "-1", "x"),
    "longitude": pool("13.361389", "15.087269", "2.35", "-0.1", "179.9", "181"),
    "latitude": pool("38.115556", "37.502669", "48.85", "51.5", "-85", "86"),
    "distance": pool(200, 100, 1, 0, 5000, "1000.5", 20000, -1),
    "unit": pool("km", "m", "mi", "ft", "x"),
    "db": pool(0, 1, 1, 0, 1, 99),
    "unknown": pool("NOSUCH", "x"),
}

TEMPLATES = """
SET string value
SET string value [NX|XX] [GET] [KEEPTTL|EX far|PXAT at_ms|EXAT at]
SETNX string value
GETSET string value
GETDEL string
GETEX string [PERSIST|EXAT at|PXAT at_ms|EX far]
GET string
MGET string...
MSET <string value>...
MSETNX <string value>...
APPEND string value
STRLEN string
SETRANGE string offset value
GETRANGE string index index
INCR string
DECR string
INCRBY string integer
DECRBY string integer
INCRBYFLOAT string float
SETEX string far value
PSETEX string far value
LCS string string [LEN|IDX] [MINMATCHLEN positive] [WITHMATCHLEN]

LPUSH list value...
RPUSH list value...
RPUSH list value value value value value
LPUSHX list value
RPUSHX list value...
LPOP list [count]
RPOP list [count]
LLEN list
LRANGE list index index
LINDEX list index
LSET list index value
LINSERT list {BEFORE|AFTER} value value
LREM list index value
LTRIM list index index
LPOS list value [RANK index] [COUNT count] [MAXLEN count]
LMOVE list list {LEFT|RIGHT} {LEFT|RIGHT}
RPOPLPUSH list list
LMPOP #list {LEFT|RIGHT} [COUNT positive]

HSET hash <field value>...
HSET hash <field value>...
HMSET hash <field value>...
HSETNX hash field value
HGET hash field
HMGET hash field...
HDEL hash field...
HLEN hash
HEXISTS hash field
HSTRLEN hash field
HGETALL hash
HKEYS hash
HVALS hash
HINCRBY hash field integer
HINCRBYFLOAT hash field float
HRANDFIELD hash all [WITHVALUES]
HRANDFIELD hash negative
HSCAN hash 0 COUNT all [MATCH pattern]

SADD set member...
SADD set member...
SADD set integer...
SREM set member...
SMEMBERS set
SISMEMBER set member
SMISMEMBER set member...
SCARD set
SPOP set all
SRANDMEMBER set all
SRANDMEMBER set negative
SMOVE set set member
SINTER set...
SUNION set...
SDIFF set...
SINTERCARD #set [LIMIT count]
SINTERSTORE set set...
SUNIONSTORE set set...
SDIFFSTORE set set...
SSCAN set 0 COUNT all [MATCH pattern]

ZADD zset [NX|XX] [GT|LT] [CH] <score member>...
ZADD zset <score member>...
ZADD zset [NX|XX|GT|LT] [CH] INCR score member
ZINCRBY zset score member
ZREM zset member...
ZSCORE zset member
ZMSCORE zset member...
ZCARD zset
ZCOUNT zset bound bound
ZLEXCOUNT lexical lex lex
ZRANK zset member
ZREVRANK zset member
ZRANGE zset index index [REV] [WITHSCORES]
ZRANGE zset bound bound BYSCORE [REV] [LIMIT index count] [WITHSCORES]
ZRANGE lexical lex lex BYLEX [REV] [LIMIT index count]
ZRANGEBYSCORE zset bound bound [WITHSCORES] [LIMIT index count]
ZREVRANGEBYSCORE zset bound bound [WITHSCORES] [LIMIT index count]
ZRANGEBYLEX lexical lex lex [LIMIT index count]
ZREVRANGEBYLEX lexical lex lex [LIMIT index count]
ZREVRANGE zset index index [WITHSCORES]
ZRANGESTORE zset zset index index [REV]
ZRANGESTORE zset zset bound bound BYSCORE [REV] [LIMIT index count]
ZRANGESTORE zset lexical lex lex BYLEX [LIMIT index count]
ZREMRANGEBYRANK zset index index
ZREMRANGEBYSCORE zset bound bound
ZREMRANGEBYLEX lexical lex lex
ZADD lexical 0 member 0 member 0 member
ZADD lexical 0 member
ZPOPMIN zset [count]
ZPOPMAX zset [count]
ZMPOP #zset {MIN|MAX} [COUNT positive]
ZRANDMEMBER zset all [WITHSCORES]
ZRANDMEMBER zset negative
ZUNION #zset [AGGREGATE {SUM|MIN|MAX}] [WITHSCORES]
ZINTER #zset [AGGREGATE {SUM|MIN|MAX}] [WITHSCORES]
ZDIFF #zset [WITHSCORES]
ZUNIONSTORE zset #zset [AGGREGATE {SUM|MIN|MAX}]
ZUNIONSTORE zset 2 zset set WEIGHTS score score
ZINTERSTORE zset #zset [AGGREGATE {SUM|MIN|MAX}]
ZINTERSTORE zset 2 zset set WEIGHTS score score
ZDIFFSTORE zset #zset
ZINTERCARD #zset [LIMIT count]
ZSCAN zset 0 COUNT all [MATCH pattern]

XADD stream [NOMKSTREAM] [MAXLEN [~|=] count|MINID [~|=] id] id <field value>...
XADD stream id <field value>...
XADD stream id F1 value F2 value
XADD stream id F1 value F2 value
XLEN stream
XDEL stream id...
XTRIM stream {MAXLEN|MINID} [=] index
XTRIM stream {MAXLEN|MINID} ~ index [LIMIT count]
XRANGE stream range range [COUNT count]
XREVRANGE stream range range [COUNT count]
XREAD [COUNT count] STREAMS stream after
XREAD STREAMS stream stream after after
XSETID stream id [ENTRIESADDED positive MAXDELETEDID id]
XGROUP CREATE stream group {0|$|after} [MKSTREAM] [ENTRIESREAD count]
XGROUP CREATE stream group 0 MKSTREAM
XGROUP SETID stream group {0|$|after} [ENTRIESREAD count]
XGROUP DESTROY stream group
XGROUP CREATECONSUMER stream group consumer
XGROUP DELCONSUMER stream group consumer
XREADGROUP GROUP group consumer [COUNT count] [NOACK] STREAMS stream new
XREADGROUP GROUP group consumer COUNT positive STREAMS stream new
XREADGROUP GROUP group consumer [COUNT count] STREAMS stream after
XACK stream group id...
XPENDING stream group
XPENDING stream group range range positive [consumer]
XCLAIM stream group consumer 0 id... [RETRYCOUNT positive] [FORCE] [JUSTID]
XAUTOCLAIM stream group consumer 0 after [COUNT positive] [JUSTID]
XINFO STREAM stream
XINFO GROUPS stream

SETBIT bits offset bit
SETBIT bits offset bit
GETBIT bits offset
BITCOUNT bits [index index [BIT|BYTE]]
BITPOS bits bit [index [index [BIT|BYTE]]]
BITOP {AND|OR|XOR} bits bits...
BITOP NOT bits bits
BITFIELD bits <{GET type bit_offset|SET type bit_offset integer}>...
BITFIELD bits <[OVERFLOW {WRAP|SAT|FAIL}] {SET|INCRBY} type bit_offset integer>...
BITFIELD_RO bits GET type bit_offset

PFADD hll member...
PFADD hll value...
PFCOUNT hll...
PFMERGE hll hll...
PFDEBUG ENCODING hll

GEOADD geo [NX|XX] [CH] <longitude latitude member>...
GEOADD geo <longitude latitude member>...
GEOPOS geo member...
GEOHASH geo member...
GEODIST geo member member [unit]
GEOSEARCH geo FROMLONLAT longitude latitude BYRADIUS distance unit [ASC|DESC] [COUNT count [ANY]]
GEOSEARCH geo FROMLONLAT longitude latitude BYBOX distance distance unit {ASC|DESC} [WITHCOORD] [WITHDIST] [WITHHASH]
GEOSEARCH geo FROMMEMBER member BYRADIUS distance unit [WITHDIST]
GEOSEARCHSTORE geo geo FROMMEMBER member BYRADIUS distance unit ASC [COUNT count] [STOREDIST]
GEORADIUS geo longitude latitude distance unit [WITHDIST] [COUNT count] ASC
GEORADIUSBYMEMBER geo member distance unit [WITHCOORD]

CONFIG SET hash-max-listpack-entries {0|1|2|3|8}
CONFIG SET set-max-intset-entries {0|1|2|3|8}
CONFIG SET zset-max-listpack-entries {0|1|2|3|8}
CONFIG SET zset-max-listpack-value {0|1|3|70}
CONFIG SET list-max-listpack-size {1|2|5|128|-1|-2}
CONFIG SET stream-node-max-entries {0|1|2|10}
CONFIG SET stream-node-max-bytes {0|1|60|4096}
CONFIG SET hll-sparse-max-bytes {0|20|30|3000}
DEL key...
UNLINK key
EXISTS key...
TYPE key
TOUCH key...
RENAME key key
RENAMENX key key
COPY key key [DB db] [REPLACE]
MOVE key db
SWAPDB 0 1
SELECT db
DBSIZE
KEYS pattern
SCAN 0 COUNT all [MATCH pattern] [TYPE {LIST|HASH|STRING|NOTYPE}]
EXPIRE key far [NX|XX|GT|LT]
PEXPIRE key far
EXPIREAT key at [NX|XX|GT|LT]
PEXPIREAT key at_ms
PERSIST key
TTL key
PTTL key
EXPIRETIME key
PEXPIRETIME key
OBJECT ENCODING key
OBJECT REFCOUNT list
OBJECT FREQ key
SORT {list|set|zset} [BY by] [LIMIT index count] [GET get] [GET get] [ASC|DESC] [ALPHA] [STORE list]
SORT_RO {list|set|zset} [ASC|DESC] [ALPHA]
SORT {list|set} ALPHA
MULTI
MULTI
EXEC
EXEC
EXEC
DISCARD
WATCH key
UNWATCH
BLPOP list list timeout
BRPOP list timeout
BLMOVE list list {LEFT|RIGHT} {LEFT|RIGHT} timeout
BLMPOP timeout #list {LEFT|RIGHT} [COUNT positive]
BZPOPMIN zset timeout
BZPOPMAX zset zset timeout
BZMPOP timeout #zset {MIN|MAX}
XREAD BLOCK 1 STREAMS stream $
ECHO value
PING [value]
unknown key
GET string string
LPUSH list
HSET hash field
ZADD zset score
XADD stream id field
OBJECT unknown key
"""

_TOKEN = re.compile(r"\.\.\.|[\[\]{}<>|]|[^\s\[\]{}<>|]+?(?=\.\.\.|[\s\[\]{}<>|]|$)")


class _Reader:
    """One template compiled to a Maker, by descent."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0

    def alternatives(self, end: str) -> list[Maker]:
        """`a b|c d` up to the closing token."""
        found = [self.sequence(end)]
        while self.at < len(self.tokens) and self.tokens[self.at] == "|":
            self.at += 1
            found.append(self.sequence(end))
        self.at += 1
        return found

    def sequence(self, end: str) -> Maker:
        parts: list[Maker] = []
        while self.at < len(self.tokens) and self.tokens[self.at] not in ("|", end):
            part = self.item()
            if self.at < len(self.tokens) and self.tokens[self.at] == "...":
                self.at += 1
                part = _repeated(part)
            parts.append(part)
        return lambda choices: [word for part in parts for word in part(choices)]

    def item(self) -> Maker:
        token = self.tokens[self.at]
        self.at += 1
        if token == "[":
            return _optional(self.alternatives("]"))
        if token == "{":
            return _one_of(self.alternatives("}"))
        if token == "<":
            return _one_of(self.alternatives(">"))
        if token.startswith("#"):
            return _counted(SLOTS[token[1:]])
        if token in SLOTS:
            return SLOTS[token]
        assert token == token.upper() or "-max-" in token, f"no slot {token}"
        return lambda choices: [token.encode()]


def _optional(makers: list[Maker]) -> Maker:
    """Nothing in two of three cases."""

    def make(choices: Choices) -> Words:
        byte = choices.byte()
        return makers[byte // 3 % len(makers)](choices) if byte % 3 == 2 else []

    return make


def _one_of(makers: list[Maker]) -> Maker:
    return makers[0] if len(makers) == 1 else lambda choices: makers[choices.below(len(makers))](choices)


def _repeated(maker: Maker) -> Maker:
    return lambda choices: [word for _ in range(1 + choices.below(4)) for word in maker(choices)]


def _counted(maker: Maker) -> Maker:
    """numkeys and the keys; rarely the number is wrong."""

    def make(choices: Choices) -> Words:
        byte = choices.byte()
        keys = [word for _ in range(1 + byte % 3) for word in maker(choices)]
        return [b"%d" % (len(keys) + (byte == 255) - (byte == 254)), *keys]

    return make


GROUPS = [[_Reader(line).sequence("") for line in group.splitlines()] for group in TEMPLATES.strip().split("\n\n")]
GENERAL = GROUPS[-1]  # about keys of any type, transactions, mistakes
ALL = [maker for group in GROUPS for maker in group]
FOCI = len(GROUPS)  # 0: all commands alike; n: mostly those of the n-th type
RECORD = 24  # bytes that a command is made from
FIRST = {  # what a sequence about a type starts with
    1 + list(TYPE_KEYS).index("stream"): [
        [b"XGROUP", b"CREATE", b"x1", b"g1", b"0", b"MKSTREAM"],
        [b"XGROUP", b"CREATE", b"x2", b"g1", b"0", b"MKSTREAM"],
    ]
}


def command_from(data: bytes, focus: int = 0) -> Words:
    """The command that these bytes mean."""
    choices = Choices(data, focus)
    kind = choices.byte()
    makers = ALL
    if focus and kind < 240:
        makers = GENERAL if kind >= 190 else GROUPS[focus - 1]
    return makers[choices.below(65536) % len(makers)](choices)
