"""Hash commands through the socket, and against a real server."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.support.resp import Pairs

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
INT64_MAX = 2**63 - 1


def error_of(raw: Any, *words: Any) -> str:
    return raw.command(*words).text


def test_set_and_get(raw):
    assert raw("HSET", "h", "a", "1", "b", "x") == 2
    assert raw("HSET", "h", "a", "2", "c", "") == 1
    assert raw("HGET", "h", "a") == b"2"
    assert raw("HGET", "h", "none") is None
    assert raw("HMGET", "h", "a", "none", "c") == [b"2", None, b""]
    assert raw("HMGET", "none", "a", "b") == [None, None]
    assert raw("HGETALL", "h") == [b"a", b"2", b"b", b"x", b"c", b""]
    assert raw("HKEYS", "h") == [b"a", b"b", b"c"]
    assert raw("HVALS", "h") == [b"2", b"x", b""]
    assert (raw("HLEN", "h"), raw("HEXISTS", "h", "b"), raw("HEXISTS", "h", "z")) == (3, 1, 0)
    assert (raw("HSTRLEN", "h", "b"), raw("HSTRLEN", "h", "a"), raw("HSTRLEN", "h", "z")) == (1, 1, 0)
    assert raw("HMSET", "h", "q", "1") == "OK"
    assert (raw("HSETNX", "h", "q", "2"), raw("HSETNX", "h", "r", "2")) == (0, 1)


@pytest.mark.parametrize("command", ["HSET", "HMSET"])
def test_pairs_must_be_whole(raw, command):
    assert (
        error_of(raw, command, "h", "a", "1", "b") == f"ERR wrong number of arguments for '{command.lower()}' command"
    )
    assert raw("EXISTS", "h") == 0


def test_wrong_type(raw):
    raw("SET", "s", "x")
    for words in [
        ("HSET", "s", "a", "1"),
        ("HGET", "s", "a"),
        ("HGETALL", "s"),
        ("HDEL", "s", "a"),
        ("HLEN", "s"),
        ("HINCRBY", "s", "a", "1"),
        ("HINCRBYFLOAT", "s", "a", "1"),
        ("HSCAN", "s", "0"),
        ("HMGET", "s", "a"),
        ("HRANDFIELD", "s"),
        ("HSETNX", "s", "a", "1"),
        ("HKEYS", "s"),
        ("HSTRLEN", "s", "a"),
    ]:
        assert error_of(raw, *words) == WRONG_TYPE, words


def test_key_goes_with_the_last_field(raw):
    raw("HSET", "h", "a", "1", "b", "2")
    assert raw("HDEL", "h", "a", "a", "none") == 1
    assert raw("HDEL", "h", "b", "a") == 1
    assert raw("EXISTS", "h") == 0
    assert raw("HDEL", "h", "b") == 0


def test_encodings_follow_the_limits(raw, configure):
    configure("hash-max-listpack-entries", 4)
    configure("hash-max-listpack-value", 8)
    raw("HSET", "few", "a", 1, "b", 2, "c", 3, "d", 4)
    assert raw("OBJECT", "ENCODING", "few") == b"listpack"
    raw("HSET", "few", "e", 5)
    assert raw("OBJECT", "ENCODING", "few") == b"hashtable"
    raw("HSET", "same", *["a", 1] * 5)
    assert raw("OBJECT", "ENCODING", "same") == b"hashtable"
    raw("HSET", "value", "a", "x" * 8)
    assert raw("OBJECT", "ENCODING", "value") == b"listpack"
    raw("HSET", "value", "a", "x" * 9)
    assert raw("OBJECT", "ENCODING", "value") == b"hashtable"
    raw("HSETNX", "field", "x" * 9, "1")
    assert raw("OBJECT", "ENCODING", "field") == b"hashtable"
    raw("HINCRBY", "number", "a", 99999999)
    assert raw("OBJECT", "ENCODING", "number") == b"listpack"
    raw("HINCRBY", "number", "a", 1)
    assert raw("OBJECT", "ENCODING", "number") == b"hashtable"
    raw("HDEL", "few", "a", "b", "c")
    assert raw("OBJECT", "ENCODING", "few") == b"hashtable"


@pytest.mark.parametrize("size", [1, 192, 193, 5000, 16383, 16384, 100000])
def test_values_of_any_size(raw, size):
    value = b"v" * size
    raw("HSET", "h", "f", value, "g", "x")
    assert raw("HGET", "h", "f") == value
    assert raw("HMGET", "h", "f", "g") == [value, b"x"]
    assert dict(zip(*[iter(raw("HGETALL", "h"))] * 2, strict=True)) == {b"f": value, b"g": b"x"}
    assert raw("HSTRLEN", "h", "f") == size
    raw("HSET", "h", "f", "short")
    assert raw("HGET", "h", "f") == b"short"
    raw("HSET", "h", "f", value + b"!")
    assert raw("COPY", "h", "copy") == 1
    raw("DEL", "h")
    assert raw("HGET", "copy", "f") == value + b"!"


def test_a_large_value_is_replaced_while_its_reply_leaves(raw):
    value = b"v" * 1_000_000
    raw("HSET", "h", "f", value)
    replies = raw.pipeline([("HGET", "h", "f"), ("HSET", "h", "f", b"w" * 1_000_000), ("HDEL", "h", "f")])
    assert replies == [value, 0, 1]


def test_increment(raw):
    assert raw("HINCRBY", "h", "n", 5) == 5
    assert raw("HINCRBY", "h", "n", -7) == -2
    raw("HSET", "h", "max", INT64_MAX, "text", "x", "space", " 1")
    assert error_of(raw, "HINCRBY", "h", "max", 1) == "ERR increment or decrement would overflow"
    assert error_of(raw, "HINCRBY", "h", "text", 1) == "ERR hash value is not an integer"
    assert error_of(raw, "HINCRBY", "h", "space", 1) == "ERR hash value is not an integer"
    assert error_of(raw, "HINCRBY", "h", "n", "x") == "ERR value is not an integer or out of range"
    assert error_of(raw, "HINCRBY", "none", "n", "x") == "ERR value is not an integer or out of range"
    assert raw("EXISTS", "none") == 0


def test_increment_by_float(raw):
    assert raw("HINCRBYFLOAT", "h", "f", "10.5") == b"10.5"
    assert raw("HINCRBYFLOAT", "h", "f", "0.1") == b"10.6"
    assert raw("HINCRBYFLOAT", "h", "f", "-10.6") == b"0"
    assert raw("HINCRBYFLOAT", "h", "big", "5e3") == b"5000"
    raw("HSET", "h", "text", "x")
    assert error_of(raw, "HINCRBYFLOAT", "h", "text", "1") == "ERR hash value is not a float"
    assert error_of(raw, "HINCRBYFLOAT", "h", "f", "x") == "ERR value is not a valid float"
    assert error_of(raw, "HINCRBYFLOAT", "h", "f", "inf") == "ERR value is NaN or Infinity"


def test_resp3_types(raw3):
    raw3("HSET", "h", "a", "1")
    assert raw3("HGETALL", "h") == Pairs([(b"a", b"1")]) or raw3("HGETALL", "h") == {b"a": b"1"}
    assert raw3("HGET", "h", "none") is None
    assert raw3("HRANDFIELD", "h", 1, "WITHVALUES") == [[b"a", b"1"]]
    raw3("MULTI")
    raw3("HGETALL", "h")
    raw3("HGETALL", "none")
    assert [dict(reply) for reply in raw3("EXEC")] == [{b"a": b"1"}, {}]


def test_random_fields(raw):
    for key, count in (("small", 10), ("large", 1000)):
        raw("HSET", key, *[word for i in range(count) for word in (f"f{i}", f"v{i}")])
        fields = {b"f%d" % i for i in range(count)}
        assert raw("HRANDFIELD", key) in fields
        for wanted in (1, count // 2, count - 1, count, count * 2, 3):
            found = raw("HRANDFIELD", key, wanted)
            assert len(set(found)) == len(found) == min(wanted, count)
            assert set(found) <= fields
        assert len(raw("HRANDFIELD", key, -2500)) == 2500
        pairs = raw("HRANDFIELD", key, -5, "WITHVALUES")
        assert all(value == b"v" + field[1:] for field, value in zip(*[iter(pairs)] * 2, strict=True))
        assert raw("HRANDFIELD", key, 0) == []
    assert raw("HRANDFIELD", "none") is None
    assert raw("HRANDFIELD", "none", 5) == []


def test_random_field_counts_have_limits(raw):
    raw("HSET", "h", "a", "1")
    limit = f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}"
    assert error_of(raw, "HRANDFIELD", "h", -INT64_MAX - 1) == limit
    for count in (-INT64_MAX, INT64_MAX):
        assert error_of(raw, "HRANDFIELD", "h", count, "WITHVALUES") == "ERR value is out of range"
    assert error_of(raw, "HRANDFIELD", "h", "x") == "ERR value is not an integer or out of range"
    assert error_of(raw, "HRANDFIELD", "h", 1, "WITHVALUE") == "ERR syntax error"
    assert error_of(raw, "HRANDFIELD", "h", 1, "WITHVALUES", "x") == "ERR syntax error"


def test_random_fields_are_spread_evenly(raw):
    for key, padding in (("small", ""), ("large", "x" * 100)):
        raw("HSET", key, *[word for i in range(20) for word in (f"f{i}", padding)])
        drawn = Counter(raw("HRANDFIELD", key, -20_000))
        assert len(drawn) == 20
        assert min(drawn.values()) > 300  # 1000 expected; in a table chains make some less likely
        picked = Counter(field for _ in range(300) for field in raw("HRANDFIELD", key, 10))
        assert min(picked.values()) > 90  # 150 expected


def test_scan_finds_all_and_filters(raw):
    raw("HSET", "h", *[word for i in range(1000) for word in (f"f{i}", f"v{i}")])
    cursor, found = b"0", {}
    while True:
        cursor, page = raw("HSCAN", "h", cursor, "COUNT", 50)
        found |= dict(zip(*[iter(page)] * 2, strict=True))
        if cursor == b"0":
            break
    assert found == {b"f%d" % i: b"v%d" % i for i in range(1000)}
    assert raw("HSCAN", "h", 0, "MATCH", "f99", "COUNT", 10_000) == [b"0", [b"f99", b"v99"]]
    raw("HSET", "small", "a", 1, "b", 2)
    assert raw("HSCAN", "small", 0, "COUNT", 1) == [b"0", [b"a", b"1", b"b", b"2"]]
    assert raw("HSCAN", "small", 0, "MATCH", "b*") == [b"0", [b"b", b"2"]]
    assert error_of(raw, "HSCAN", "small", "x") == "ERR invalid cursor"
    assert error_of(raw, "HSCAN", "small", "0", "COUNT", "0") == "ERR syntax error"
    assert raw("HSCAN", "none", "0", "NONSENSE") == [b"0", []]


def test_scan_keeps_its_promise_while_the_table_changes_size(raw):
    stay = {b"stay%d" % i for i in range(200)}
    raw("HSET", "h", *[word for field in stay for word in (field, b"x" * 70)])
    cursor, seen, step = b"0", set(), 0
    while True:
        cursor, page = raw("HSCAN", "h", cursor)
        seen |= set(page[::2])
        if cursor == b"0":
            break
        if step < 40:
            raw("HSET", "h", *[word for i in range(100) for word in (f"go{step}-{i}", "")])
        elif step < 80:
            raw("HDEL", "h", *[f"go{step - 40}-{i}" for i in range(100)])
        step += 1
    assert stay <= seen


def test_unlink_and_flush_of_a_large_hash(raw):
    pairs = [word for i in range(5000) for word in (f"f{i}", "v" * 300)]
    for remove in (("UNLINK", "h"), ("FLUSHALL", "ASYNC"), ("SET", "h", "x"), ("DEL", "h")):
        raw("DEL", "h")
        raw("HSET", "h", *pairs)
        raw(*remove)
        assert raw("HLEN", "h") == 0 if remove[0] != "SET" else raw("GET", "h") == b"x"


def test_expired_hash_is_absent(raw):
    raw("HSET", "h", "a", "1")
    raw("PEXPIREAT", "h", 1)
    assert raw("HGET", "h", "a") is None
    assert raw("HINCRBY", "h", "a", 3) == 3
    assert raw("TTL", "h") == -1


FIELD = st.sampled_from([b"a", b"b", b"c", b"1", b"-5", b"", b"long" * 20])
VALUE = st.sampled_from(
    [b"", b"1", b"7", b"-3", b"text", b"1.5", b"x" * 64, b"x" * 65, b"y" * 300, b"9223372036854775807"]
)
STEP = st.one_of(
    st.tuples(st.just("HSET"), st.just("h"), FIELD, VALUE),
    st.tuples(st.just("HSET"), st.just("h"), FIELD, VALUE, FIELD, VALUE),
    st.tuples(st.just("HSETNX"), st.just("h"), FIELD, VALUE),
    st.tuples(st.just("HINCRBY"), st.just("h"), FIELD, VALUE),
    st.tuples(st.just("HINCRBYFLOAT"), st.just("h"), FIELD, VALUE),
    st.tuples(st.just("HDEL"), st.just("h"), FIELD, FIELD),
    st.tuples(st.sampled_from(["HGET", "HSTRLEN", "HEXISTS"]), st.just("h"), FIELD),
    st.tuples(st.just("HMGET"), st.just("h"), FIELD, FIELD),
    st.tuples(st.just("OBJECT"), st.just("ENCODING"), st.just("h")),
    st.tuples(st.just("HLEN"), st.just("h")),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25))
def test_the_same_as_a_real_server(both, steps):
    both("DEL", "h")
    for step in steps:
        both(*step)
    both("HGETALL", "h", unordered=True)
    both("HKEYS", "h", unordered=True)


def test_keyspace_events(new_server):
    server = new_server(notify_keyspace_events="KEA")
    raw, listener = server.connect(), server.connect()
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    raw.pipeline(
        [
            ("HSET", "h", "a", 1),
            ("HINCRBY", "h", "a", 1),
            ("HINCRBYFLOAT", "h", "a", 1),
            ("HSETNX", "h", "a", 1),
            ("HDEL", "h", "none"),
            ("HDEL", "h", "a"),
        ]
    )
    events = [listener.read()[2:] for _ in range(5)]
    assert events == [
        [b"__keyevent@0__:" + event, b"h"] for event in (b"hset", b"hincrby", b"hincrbyfloat", b"hdel", b"del")
    ]


@pytest.mark.parametrize("words", [("HSET", "h", "f", "2"), ("HINCRBY", "h", "f", "1"), ("HINCRBYFLOAT", "h", "f", "1"),
                                   ("HSETNX", "h", "f", "1")])  # fmt: skip
@pytest.mark.parametrize("fast", ["yes", "no"])
def test_a_limit_that_was_lowered_counts_when_a_field_is_written(raw, configure, words, fast):
    raw.ok("DEBUG", "FAST-PATHS", fast)
    raw("HSET", "h", "f", "1")
    configure("hash-max-listpack-entries", "0")
    raw(*words)
    assert raw("OBJECT", "ENCODING", "h") == (b"listpack" if words[0] == "HSETNX" else b"hashtable")
