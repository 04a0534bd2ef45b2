"""HyperLogLogs through the socket, byte for byte as a real server keeps them."""

import random

import pytest

from tests.support.differential import Pair
from tests.support.resp import Connection

CORRUPT = "INVALIDOBJ Corrupted HLL object detected"
NOT_VALID = "WRONGTYPE Key is not a valid HyperLogLog string value."


def test_estimates(raw: Connection) -> None:
    assert raw("PFADD", "h", *range(1000)) == 1
    assert abs(raw("PFCOUNT", "h") - 1000) < 50
    assert raw("PFADD", "h", 1, 2, 3) == 0
    assert raw("PFADD", "empty") == 1
    assert raw("PFADD", "empty") == 0
    assert raw("PFCOUNT", "empty", "no") == 0
    assert raw("PFMERGE", "m", "h", "no") == "OK"
    assert raw("PFCOUNT", "m") == raw("PFCOUNT", "h")


def test_values_are_the_same_bytes_as_a_real_servers(both: Pair) -> None:
    random.seed(4)
    for size in (1, 10, 100, 1000, 5000):
        for key in "ab":
            for _ in range(3):
                both("PFADD", f"{key}{size}", *random.choices(range(10**9), k=size))
            both("GET", f"{key}{size}")
            both("PFCOUNT", f"{key}{size}")
            both("GET", f"{key}{size}")
            both("PFDEBUG", "ENCODING", f"{key}{size}")
        both("PFCOUNT", f"a{size}", f"b{size}", "no")
        both("PFMERGE", f"m{size}", f"a{size}", f"b{size}")
        both("PFMERGE", "all", f"a{size}")
        both("GET", f"m{size}")
        both("PFCOUNT", f"m{size}")
    both("GET", "all")


def test_debug_agrees_with_a_real_server(both: Pair) -> None:
    both("PFADD", "h", "a", "b", "c")
    both("PFDEBUG", "DECODE", "h")
    both("PFDEBUG", "GETREG", "h")
    both("PFDEBUG", "ENCODING", "h")
    both("PFDEBUG", "DECODE", "h")
    both("PFADD", "g", "a")
    both("PFDEBUG", "TODENSE", "g")
    both("PFDEBUG", "TODENSE", "g")
    both("PFDEBUG", "NOTHING", "g")
    both("PFDEBUG", "ENCODING", "no")


def test_what_is_no_hyperloglog(raw: Connection) -> None:
    raw("SET", "s", "foo")
    raw("RPUSH", "l", "x")
    for call in (("PFADD", "{}", "x"), ("PFCOUNT", "{}"), ("PFMERGE", "{}", "h"), ("PFMERGE", "h", "{}")):
        assert str(raw(*(word.format("s") for word in call))) == NOT_VALID
        assert raw(*(word.format("l") for word in call)).code == "WRONGTYPE"
    assert raw("EXISTS", "h") == 0


def test_damaged_values_are_told(raw: Connection) -> None:
    raw("PFADD", "h", "a", "b", "c")
    raw("APPEND", "h", "hello")
    for call in (("PFCOUNT", "h"), ("PFCOUNT", "h", "no"), ("PFMERGE", "m", "h"), ("PFDEBUG", "GETREG", "h")):
        assert str(raw(*call)) == CORRUPT


def test_the_expire_stays(raw: Connection) -> None:
    raw("PFADD", "h", "a")
    raw("EXPIRE", "h", 100)
    raw("PFADD", "h", *range(50))
    raw("PFCOUNT", "h")
    raw("PFMERGE", "h", "h")
    raw("PFDEBUG", "TODENSE", "h")
    assert 90 < raw("TTL", "h") <= 100


@pytest.mark.parametrize("limit", [0, 100, 3000])
def test_the_limit_of_the_sparse_form(raw: Connection, configure, limit: int) -> None:
    configure("hll-sparse-max-bytes", limit)
    raw("PFADD", "h", *range(300))
    assert raw("PFDEBUG", "ENCODING", "h") == ("sparse" if limit == 3000 else "dense")


def test_a_short_one_is_raw_as_what_is_written_in_place(both: Pair) -> None:
    both("PFADD", "h", "a")
    both("OBJECT", "ENCODING", "h")
    both("PFMERGE", "m", "h")
    assert both("OBJECT", "ENCODING", "m") == b"raw"
