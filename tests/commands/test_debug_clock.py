"""DEBUG CLOCK: time that a test moves."""

import time

import pytest

from tests.support.pace import wait_until
from tests.support.resp import NullArray, RespError

NEW_YEAR_2030_MS = 1_893_456_000_000
HOUR_MS = 3_600_000


def unix_ms(c):
    seconds, us = c("TIME")
    return int(seconds) * 1000 + int(us) // 1000


def blocked(c, count=1):
    wait_until(lambda: f"blocked_clients:{count}\r\n".encode() in c("INFO", "clients"), "somebody who waits")


def test_what_expires_is_gone_with_its_event_when_the_reply_comes(raw, another, configure):
    configure("notify-keyspace-events", "Ex")
    listener = another()
    listener("SUBSCRIBE", "__keyevent@0__:expired")
    raw.pipeline([("SET", f"k{n}", 1, "PX", HOUR_MS) for n in range(300)])
    raw("SET", "later", 1, "PX", 2 * HOUR_MS + 60_000)
    raw("SET", "stays", 1)
    before = unix_ms(raw)
    assert before + HOUR_MS < raw("DEBUG", "CLOCK", "FORWARD", HOUR_MS + 1000) < before + HOUR_MS + 60_000
    assert raw("DBSIZE") == 2
    assert {listener.read()[2] for _ in range(300)} == {f"k{n}".encode() for n in range(300)}
    assert HOUR_MS - 30_000 < raw("PTTL", "later") <= HOUR_MS + 60_000
    raw("DEBUG", "CLOCK", "RESET")
    assert unix_ms(raw) < before + HOUR_MS
    assert raw("EXISTS", "later", "k1") == 1


def test_who_waits_is_answered_by_deadline(raw, another):
    first, second, third, for_ever = another(), another(), another(), another()
    third.send("BLPOP", "list", 300)
    second.send("XREAD", "BLOCK", 200_000, "STREAMS", "stream", "$")
    first.send("BZPOPMIN", "zset", 100)
    for_ever.send("BLPOP", "list", 0)
    blocked(raw, 4)
    raw("DEBUG", "CLOCK", "FORWARD", 200_500)
    blocked(raw, 2)
    assert first.read() is NullArray
    assert second.read() is NullArray
    raw("DEBUG", "CLOCK", "FORWARD", 99_000)
    assert third.nothing_comes()
    raw("DEBUG", "CLOCK", "FORWARD", 1_000)
    assert third.read() is NullArray
    raw("RPUSH", "list", "v")
    assert for_ever.read() == [b"list", b"v"]


def test_a_pause_ends(raw, another):
    other = another()
    raw("CLIENT", "PAUSE", HOUR_MS, "WRITE")
    other.send("SET", "k", "v")
    blocked(raw)
    raw("DEBUG", "CLOCK", "FORWARD", HOUR_MS)
    assert other.read() == "OK"


def test_lru_and_lfu_see_the_time(raw, configure):
    configure("maxmemory-policy", "allkeys-lru")
    raw("SET", "k", "v")
    raw("DEBUG", "CLOCK", "FORWARD", HOUR_MS)
    assert 3600 <= raw("OBJECT", "IDLETIME", "k") < 3660
    raw("DEBUG", "CLOCK", "RESET")
    assert 3600 <= raw("OBJECT", "IDLETIME", "k") < 3660        # what has passed has passed
    configure("maxmemory-policy", "allkeys-lfu")
    raw("SET", "counted", "v")
    for _ in range(20):
        raw("GET", "counted")
    often = raw("OBJECT", "FREQ", "counted")
    raw("DEBUG", "CLOCK", "FORWARD", 2 * 60_000)
    assert raw("OBJECT", "FREQ", "counted") == often - 2


def test_set_and_stopped(raw):
    assert raw("DEBUG", "CLOCK", "SET", NEW_YEAR_2030_MS, "STOPPED") == NEW_YEAR_2030_MS
    assert raw("TIME") == raw("TIME") == [b"1893456000", b"0"]
    assert [raw("XADD", "s", "*", "f", "v") for _ in range(3)] == [b"1893456000000-0", b"1893456000000-1",
                                                                  b"1893456000000-2"]
    raw("SET", "k", "v", "EX", 10)
    assert raw("DEBUG", "CLOCK", "FORWARD", 1500) == NEW_YEAR_2030_MS + 1500
    assert raw("PTTL", "k") == 8500
    assert raw("EVAL", "return redis.call('TIME')", 0) == [b"1893456001", b"500000"]
    assert raw("XADD", "s", "*", "f", "v") == b"1893456001500-0"
    raw("DEBUG", "CLOCK", "GO")
    went = time.monotonic()
    wait_until(lambda: unix_ms(raw) > NEW_YEAR_2030_MS + 1500, "time that goes on")
    assert unix_ms(raw) <= NEW_YEAR_2030_MS + 1500 + (time.monotonic() - went) * 1000 + 1000
    raw("DEBUG", "CLOCK", "STOP")
    assert unix_ms(raw) == unix_ms(raw)


def test_set_back(raw):
    now = unix_ms(raw)
    raw("SET", "k", "v", "PX", HOUR_MS)
    set_to = raw("DEBUG", "CLOCK", "SET", now - HOUR_MS)
    assert now - HOUR_MS <= set_to < now - HOUR_MS + 30_000
    assert raw("PTTL", "k") > HOUR_MS
    raw("DEBUG", "CLOCK", "SET", now + 3 * HOUR_MS)
    assert raw("DBSIZE") == 0


def test_pending_entries_grow_old(raw):
    raw("XADD", "s", "1-1", "f", "v")
    raw("XGROUP", "CREATE", "s", "g", 0)
    raw("XREADGROUP", "GROUP", "g", "one", "STREAMS", "s", ">")
    assert raw("XAUTOCLAIM", "s", "g", "two", 60_000, 0)[1] == []
    raw("DEBUG", "CLOCK", "FORWARD", 60_000)
    assert raw("XAUTOCLAIM", "s", "g", "two", 60_000, 0)[1] == [[b"1-1", [b"f", b"v"]]]


@pytest.mark.parametrize("words", [
    ("FORWARD", "-1"), ("FORWARD", "x"), ("FORWARD",), ("SET", 1 << 60), ("SET", 1, "FROZEN"),
    ("SET", 1, "STOPPED", "x"),
    ("GO", "1"), ("BACK",),
])  # fmt: skip
def test_other_words_change_nothing(raw, words):
    before = unix_ms(raw)
    assert isinstance(raw("DEBUG", "CLOCK", *words), RespError)
    assert before <= unix_ms(raw) < before + 60_000


def test_only_where_debug_is_enabled(new_server):
    server = new_server(enable_debug_command="no")
    with server.connect() as c:
        assert c("DEBUG", "CLOCK", "FORWARD", 1).text.startswith("ERR DEBUG command not allowed")


def test_time_has_an_end(raw):
    far = 1 << 51
    assert raw("DEBUG", "CLOCK", "FORWARD", far) > far
    for by in (far, (1 << 52) - 1):
        assert str(raw("DEBUG", "CLOCK", "FORWARD", by)) == "ERR value is out of range"
    assert raw("SET", "k", 1, "EX", 10) == "OK" and 0 < raw("PTTL", "k") <= 10_000
    raw("DEBUG", "CLOCK", "RESET")
