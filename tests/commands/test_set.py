"""Set commands and set algebra through the socket, and against a real server."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.support.resp import RespSet, encode

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
INT64_MAX = 2**63 - 1
MANY = [b"member:%d" % i for i in range(1000)]


def error_of(raw: Any, *words: Any) -> str:
    return raw.command(*words).text


def encoding(raw: Any, key: str) -> bytes:
    return raw("OBJECT", "ENCODING", key)


@pytest.fixture
def told(raw):
    """A function: the commands that AOF and replicas would have been told since it was last called."""
    raw("DEBUG", "PROPAGATED", "START")

    def stream() -> bytes:
        found = raw("DEBUG", "PROPAGATED", "GET")
        raw("DEBUG", "PROPAGATED", "STOP")
        raw("DEBUG", "PROPAGATED", "START")
        return found

    yield stream
    raw("DEBUG", "PROPAGATED", "STOP")


def test_add_and_look(raw):
    assert raw("SADD", "s", "a", "b", "a", "1") == 3
    assert raw("SADD", "s", "a", "c") == 1
    assert sorted(raw("SMEMBERS", "s")) == [b"1", b"a", b"b", b"c"]
    assert (raw("SCARD", "s"), raw("SISMEMBER", "s", "1"), raw("SISMEMBER", "s", "z")) == (4, 1, 0)
    assert raw("SMISMEMBER", "s", "a", "z", "1") == [1, 0, 1]
    assert raw("SMISMEMBER", "none", "a", "z") == [0, 0]
    assert (raw("SMEMBERS", "none"), raw("SCARD", "none"), raw("SISMEMBER", "none", "a")) == ([], 0, 0)


def test_key_goes_with_the_last_member(raw):
    for members in ((1, 2), ("a", "b"), MANY):
        raw("SADD", "s", *members)
        assert raw("SREM", "s", "none", *members[1:]) == len(members) - 1
        assert raw("SREM", "s", members[0], members[0]) == 1
        assert raw("EXISTS", "s") == 0
    assert raw("SREM", "s", "a") == 0


def test_wrong_type(raw):
    raw("SET", "string", "x")
    raw("SADD", "s", "a")
    for words in [
        ("SADD", "string", "a"),
        ("SREM", "string", "a"),
        ("SISMEMBER", "string", "a"),
        ("SCARD", "string"),
        ("SPOP", "string"),
        ("SPOP", "string", 2),
        ("SRANDMEMBER", "string"),
        ("SMEMBERS", "string"),
        ("SINTER", "none", "string"),
        ("SUNION", "s", "string"),
        ("SDIFF", "none", "string"),
        ("SMOVE", "string", "s", "a"),
        ("SMOVE", "s", "string", "none"),
        ("SSCAN", "string", 0),
        ("SINTERCARD", 2, "s", "string"),
        ("SUNIONSTORE", "d", "string"),
        ("SMISMEMBER", "string", "a"),
    ]:
        assert error_of(raw, *words) == WRONG_TYPE, words
    assert raw("SMOVE", "none", "string", "a") == 0


def test_encodings_follow_the_limits(raw, configure):
    configure("set-max-intset-entries", 4)
    configure("set-max-listpack-entries", 6)
    configure("set-max-listpack-value", 8)
    raw("SADD", "s", 1, 2, 3, 4)
    assert encoding(raw, "s") == b"intset"
    raw("SADD", "s", "text")
    assert encoding(raw, "s") == b"listpack"
    raw("SADD", "s", "six")
    assert encoding(raw, "s") == b"listpack"
    raw("SADD", "s", "seven")
    assert encoding(raw, "s") == b"hashtable"
    raw("SADD", "numbers", *range(4))
    raw("SADD", "numbers", 5)
    assert encoding(raw, "numbers") == b"hashtable"
    raw("SADD", "many", *range(5))
    assert encoding(raw, "many") == b"listpack"  # too many for an intset, said at once
    raw("SADD", "more", *range(7))
    assert encoding(raw, "more") == b"hashtable"
    raw("SADD", "long", "x" * 9)
    assert encoding(raw, "long") == b"hashtable"
    raw("SADD", "wide", 123456789)
    assert encoding(raw, "wide") == b"intset"
    raw("SADD", "wide", "a")
    assert encoding(raw, "wide") == b"hashtable"  # its number is too long for a listpack
    raw("SADD", "same", "a")
    raw("SADD", "same", *["a"] * 7)
    assert encoding(raw, "same") == b"hashtable"


def test_move(raw):
    raw("SADD", "a", 1, "x")
    raw("SADD", "b", 2)
    assert raw("SMOVE", "a", "b", "none") == 0
    assert raw("SMOVE", "a", "b", "x") == 1
    assert encoding(raw, "b") == b"listpack"
    assert raw("SMOVE", "a", "a", 1) == 1
    assert raw("SMOVE", "a", "new", 1) == 1
    assert raw("EXISTS", "a") == 0
    assert encoding(raw, "new") == b"intset"
    raw("SADD", "a", 2)
    assert raw("SMOVE", "a", "b", 2) == 1
    assert sorted(raw("SMEMBERS", "b")) == [b"2", b"x"]


# ---- algebra
def test_algebra(raw):
    raw("SADD", "a", 1, 2, 3, "x", "y")
    raw("SADD", "b", 2, 3, "y", "z")
    raw("SADD", "c", 3, "y")
    assert sorted(raw("SINTER", "a", "b", "c")) == [b"3", b"y"]
    assert sorted(raw("SINTER", "a", "a")) == [b"1", b"2", b"3", b"x", b"y"]
    assert raw("SINTER", "a", "none") == []
    assert sorted(raw("SUNION", "a", "b", "none")) == [b"1", b"2", b"3", b"x", b"y", b"z"]
    assert sorted(raw("SDIFF", "a", "b", "none")) == [b"1", b"x"]
    assert raw("SDIFF", "a", "a") == []
    assert raw("SDIFF", "none", "a") == []
    assert raw("SINTERCARD", 3, "a", "b", "c") == 2
    assert raw("SINTERCARD", 2, "a", "b", "LIMIT", 1) == 1
    assert raw("SINTERCARD", 2, "a", "b", "LIMIT", 0) == 3
    assert raw("SINTERCARD", 2, "a", "none") == 0


def test_intersection_size_arguments(raw):
    assert error_of(raw, "SINTERCARD", 0, "a") == "ERR numkeys should be greater than 0"
    assert error_of(raw, "SINTERCARD", "x", "a") == "ERR numkeys should be greater than 0"
    assert error_of(raw, "SINTERCARD", 2, "a") == "ERR Number of keys can't be greater than number of args"
    assert error_of(raw, "SINTERCARD", 1, "a", "LIMIT") == "ERR syntax error"
    assert error_of(raw, "SINTERCARD", 1, "a", "LIMIT", -1) == "ERR LIMIT can't be negative"
    assert error_of(raw, "SINTERCARD", 1, "a", "b") == "ERR syntax error"


def test_stored_results_replace_what_was_there(raw):
    raw("SADD", "a", *MANY)
    raw("SADD", "b", *MANY[:3], "x")
    raw("SET", "d", "string", "EX", 100)
    assert raw("SINTERSTORE", "d", "a", "b") == 3
    assert sorted(raw("SMEMBERS", "d")) == MANY[:3]
    assert raw("TTL", "d") == -1
    assert raw("SUNIONSTORE", "a", "a", "b") == 1001
    assert raw("SDIFFSTORE", "a", "a", "b") == 997
    assert raw("SINTERSTORE", "a", "a", "none") == 0
    assert raw("EXISTS", "a") == 0
    assert raw("SDIFFSTORE", "d", "none") == 0
    assert raw("EXISTS", "d") == 0


def test_encoding_of_stored_results(raw):
    raw("SADD", "numbers", *range(600))
    raw("SADD", "five", *range(5))
    raw("SADD", "mixed", *range(5), "x")
    for command, keys, expected in [
        ("SINTERSTORE", ("numbers", "five"), b"intset"),
        ("SINTERSTORE", ("mixed", "five"), b"intset"),
        ("SINTERSTORE", ("mixed", "mixed"), b"listpack"),
        ("SINTERSTORE", ("numbers", "numbers"), b"hashtable"),
        ("SINTERSTORE", ("numbers", "mixed"), b"intset"),
        ("SUNIONSTORE", ("five", "mixed"), b"listpack"),
        ("SUNIONSTORE", ("numbers", "mixed"), b"hashtable"),
        ("SDIFFSTORE", ("mixed", "numbers"), b"listpack"),
        ("SDIFFSTORE", ("numbers", "five"), b"hashtable"),
        ("SDIFFSTORE", ("five", "none"), b"intset"),
    ]:
        assert raw(command, "d", *keys) > 0
        assert encoding(raw, "d") == expected, (command, keys)


# ---- chance
def test_pop(raw):
    for members in ([b"%d" % i for i in range(50)], MANY[:50], MANY):
        raw("SADD", "s", *members)
        one = raw("SPOP", "s")
        some = raw("SPOP", "s", 7)
        rest = raw("SMEMBERS", "s")
        assert len(some) == 7
        assert sorted([one, *some, *rest]) == sorted(members)
        assert sorted(raw("SPOP", "s", len(members))) == sorted(rest)
        assert raw("EXISTS", "s") == 0
    assert (raw("SPOP", "s"), raw("SPOP", "s", 3)) == (None, [])
    raw("SADD", "s", 1)
    assert raw("SPOP", "s", 0) == []
    assert raw("SPOP", "s") == b"1"
    assert error_of(raw, "SPOP", "s", -1) == "ERR value is out of range, must be positive"
    assert error_of(raw, "SPOP", "s", "x") == "ERR value is out of range, must be positive"
    assert error_of(raw, "SPOP", "s", 1, 2) == "ERR syntax error"


def test_pop_of_nearly_all_chooses_the_encoding_anew(raw):
    raw("SADD", "s", *MANY)
    popped = raw("SPOP", "s", 995)
    assert encoding(raw, "s") == b"listpack"
    assert sorted(popped + raw("SMEMBERS", "s")) == sorted(MANY)
    raw("SADD", "table", *range(600))
    raw("SPOP", "table", 500)
    assert encoding(raw, "table") == b"listpack"
    raw("SADD", "half", *MANY)
    raw("SPOP", "half", 500)
    assert encoding(raw, "half") == b"hashtable"
    raw("SADD", "numbers", *range(100))
    raw("EXPIRE", "numbers", 100)
    raw("SPOP", "numbers", 99)
    assert encoding(raw, "numbers") == b"intset"
    assert raw("TTL", "numbers") > 0


def test_replicas_are_told_what_left(raw, told, configure):
    raw("SADD", "s", "a", "b")
    told()
    for fast in ("yes", "no"):
        raw("DEBUG", "FAST-PATHS", fast)
        member = raw("SPOP", "s")
        assert told().endswith(encode("SREM", "s", member))
    raw("DEBUG", "FAST-PATHS", "yes")
    raw("SADD", "s", *range(3000))
    told()
    popped = raw("SPOP", "s", 2500)
    srems = [encode("SREM", "s", *popped[at : at + 1024]) for at in range(0, 2500, 1024)]
    assert encode("MULTI") + encode("SELECT", "0") + b"".join(srems) + encode("EXEC") in told()
    raw("SPOP", "s", 500)
    assert told().endswith(encode("DEL", "s"))
    configure("lazyfree-lazy-server-del", "yes")
    raw("SADD", "s", 1)
    told()
    raw("SPOP", "s", 1)
    assert told().endswith(encode("UNLINK", "s"))


def test_random_members(raw):
    for key, members in (("numbers", [b"%d" % i for i in range(100)]), ("small", MANY[:100]), ("large", MANY)):
        raw("SADD", key, *members)
        assert raw("SRANDMEMBER", key) in members
        for wanted in (1, 3, len(members) // 2, len(members) - 1, len(members), 5000):
            found = raw("SRANDMEMBER", key, wanted)
            assert len(set(found)) == len(found) == min(wanted, len(members))
            assert set(found) <= set(members)
        assert len(raw("SRANDMEMBER", key, -2500)) == 2500
        assert raw("SRANDMEMBER", key, 0) == []
        assert raw("SCARD", key) == len(members)
    assert (raw("SRANDMEMBER", "none"), raw("SRANDMEMBER", "none", 2)) == (None, [])
    limit = f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}"
    assert error_of(raw, "SRANDMEMBER", "small", -INT64_MAX - 1) == limit
    assert error_of(raw, "SRANDMEMBER", "small", "x") == "ERR value is not an integer or out of range"
    assert error_of(raw, "SRANDMEMBER", "small", 1, 2) == "ERR syntax error"


def test_random_members_are_spread_evenly(raw):
    for key, members in (
        ("numbers", range(20)),
        ("small", "abcdefghijklmnopqrst"),
        ("large", [b"x" * 80 + b"%d" % i for i in range(20)]),
    ):
        raw("SADD", key, *members)
        drawn = Counter(raw("SRANDMEMBER", key, -20_000))
        assert len(drawn) == 20
        assert min(drawn.values()) > 300  # 1000 expected; in a table chains make some less likely
        picked = Counter(member for _ in range(300) for member in raw("SRANDMEMBER", key, 10))
        assert min(picked.values()) > 90  # 150 expected


# ---- walking, replies
def test_scan_finds_all_and_filters(raw):
    raw("SADD", "s", *MANY)
    cursor, found = b"0", set()
    while True:
        cursor, page = raw("SSCAN", "s", cursor, "COUNT", 50)
        found |= set(page)
        if cursor == b"0":
            break
    assert found == set(MANY)
    assert raw("SSCAN", "s", 0, "MATCH", "*:99", "COUNT", 10_000) == [b"0", [b"member:99"]]
    raw("SADD", "numbers", 1, 2, 30)
    assert raw("SSCAN", "numbers", 0, "COUNT", 1) == [b"0", [b"1", b"2", b"30"]]
    assert raw("SSCAN", "numbers", 0, "MATCH", "3*") == [b"0", [b"30"]]
    assert raw("SSCAN", "none", 0) == [b"0", []]
    assert error_of(raw, "SSCAN", "s", "x") == "ERR invalid cursor"
    assert error_of(raw, "SSCAN", "s", 0, "TYPE", "x") == "ERR syntax error"


def test_scan_keeps_its_promise_while_the_table_changes_size(raw):
    stay = {b"stay%d" % i for i in range(300)}
    raw("SADD", "s", *stay)
    cursor, seen, step = b"0", set(), 0
    while True:
        cursor, page = raw("SSCAN", "s", cursor)
        seen |= set(page)
        if cursor == b"0":
            break
        if step < 40:
            raw("SADD", "s", *[f"go{step}-{i}" for i in range(100)])
        elif step < 80:
            raw("SREM", "s", *[f"go{step - 40}-{i}" for i in range(100)])
        step += 1
    assert stay <= seen


def test_resp3_types(raw3):
    raw3("SADD", "s", 1)
    for words in [
        ("SMEMBERS", "s"),
        ("SINTER", "s"),
        ("SUNION", "s", "none"),
        ("SDIFF", "s"),
        ("SPOP", "s", 0),
        ("SMEMBERS", "none"),
        ("SINTER", "none"),
        ("SPOP", "none", 1),
    ]:
        assert isinstance(raw3(*words), RespSet), words
    assert isinstance(raw3("SRANDMEMBER", "s", 1), list)
    raw3("MULTI")
    raw3("SMEMBERS", "s")
    raw3("DEL", "s")
    assert raw3("EXEC") == [RespSet([b"1"]), 1]


def test_unlink_of_a_large_set(raw):
    for remove in (("UNLINK", "s"), ("FLUSHALL", "ASYNC"), ("DEL", "s")):
        raw("SADD", "s", *MANY)
        raw("COPY", "s", "copy", "REPLACE")
        raw(*remove)
        assert raw("EXISTS", "s") == 0
    assert sorted(raw("SMEMBERS", "copy")) == sorted(MANY)


def test_keyspace_events(new_server):
    server = new_server(notify_keyspace_events="KEA")
    raw, listener = server.connect(), server.connect()
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    raw.pipeline(
        [
            ("SADD", "s", 1, 2, 3),
            ("SADD", "s", 1),
            ("SMOVE", "s", "t", 1),
            ("SPOP", "s"),
            ("SREM", "s", 1, 2, 3),
            ("SUNIONSTORE", "t", "none"),
            ("SADD", "t", 5),
            ("SPOP", "t", 9),
        ]
    )
    expected = ["sadd s", "srem s", "sadd t", "spop s", "srem s", "del s", "del t", "sadd t", "spop t", "del t"]
    events = [listener.read()[2:] for _ in expected]
    assert [f"{event.split(b':')[1].decode()} {key.decode()}" for event, key in events] == expected


# ---- against a real server
KEY = st.sampled_from([b"a", b"b", b"c"])
MEMBER = st.one_of(
    st.sampled_from([b"1", b"2", b"3", b"-70000", b"5000000000", b"x", b"y", b"", b"01", b"w" * 64, b"w" * 65])
)
STEP = st.one_of(
    st.tuples(st.just("SADD"), KEY, MEMBER, MEMBER),
    st.tuples(st.just("SREM"), KEY, MEMBER, MEMBER),
    st.tuples(st.just("SMOVE"), KEY, KEY, MEMBER),
    st.tuples(st.sampled_from(["SINTER", "SUNION", "SDIFF"]), KEY, KEY),
    st.tuples(st.sampled_from(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), KEY, KEY, KEY),
    st.tuples(st.just("SINTERCARD"), st.just(2), KEY, KEY, st.just("LIMIT"), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("SMISMEMBER"), KEY, MEMBER, MEMBER),
    st.tuples(st.sampled_from(["SCARD", "SMEMBERS"]), KEY),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25))
def test_the_same_as_a_real_server(both, steps):
    both("DEL", "a", "b", "c")
    for step in steps:
        both(*step, unordered=True)
    both.same_keyspace()
