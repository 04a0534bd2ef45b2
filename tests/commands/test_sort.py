"""SORT and SORT_RO through the socket, and beside a real server."""

import random

import pytest

from tests.support.differential import Pair
from tests.support.resp import Connection


@pytest.fixture
def filled(both: Pair) -> Pair:
    """The same lists, sets, sorted sets, weights and records on both."""
    random.seed(5)
    numbers = random.sample(range(-500, 500), 40)
    words = [random.choice(("ab", "Ab", "a", "", "zz", "\xe4")) + str(n) for n in numbers]
    both("RPUSH", "list", *numbers, *numbers[:5])
    both("SADD", "set", *numbers)
    both("ZADD", "zset", *[item for n in numbers for item in (n % 7, n)])
    both("RPUSH", "words", *words)
    for at, n in enumerate(numbers):
        if at % 4:
            both("SET", f"w_{n}", random.choice((n, n / 3, "1e3", " 12", "")))
            both("SET", f"name_{n}", words[at])
        both("HSET", f"h_{n}", "rank", random.randrange(10), "name", words[at])
        both("RPUSH", f"wrong_{n}", 1)
    return both


CALLS = [
    "LIMIT 0 1", "LIMIT 1 1 DESC",
    "", "DESC", "LIMIT 3 5", "LIMIT 3 5 DESC", "LIMIT 38 100", "LIMIT 100 5", "LIMIT -5 3", "LIMIT 2 -1", "LIMIT 0 0",
    "ALPHA", "ALPHA DESC", "BY w_*", "BY w_* DESC LIMIT 5 10", "BY h_*->rank", "BY h_*->rank GET h_*->name",
    "BY h_*->no", "BY none_*", "BY wrong_*", "GET w_*", "GET # GET name_* GET h_*->rank GET h_*->no",
    "GET constant", "GET name_*->x", "GET name_*->", "GET wrong_*", "BY nosort GET # LIMIT 0 3",
    "asc limit 1 2 Desc Alpha", "BY name_* ALPHA LIMIT 12 0",
]


@pytest.mark.parametrize("words", CALLS)
@pytest.mark.parametrize("key", ["list", "set", "zset", "none"])
def test_orders_agree_with_a_real_server(filled: Pair, key: str, words: str) -> None:
    unordered = key == "set" and "nosort" in words
    filled("SORT", key, *words.split(), unordered=unordered and "LIMIT" not in words) if not unordered else None
    filled("SORT_RO", key, *words.split()) if not unordered else None
    filled("SORT", key, *words.split(), "STORE", "out")
    filled("LRANGE", "out", 0, -1)
    filled("TYPE", "out")


@pytest.mark.parametrize("words", ["BY nosort", "BY nosort DESC", "BY nosort LIMIT 3 4", "BY nosort LIMIT 3 4 DESC",
                                   "BY nosort LIMIT 60 4", "BY nosort DESC LIMIT 38 100"])
@pytest.mark.parametrize("key", ["list", "zset"])
def test_lists_and_sorted_sets_keep_their_order(filled: Pair, key: str, words: str) -> None:
    filled("SORT", key, *words.split())


def test_a_set_that_is_not_sorted_is_whole(filled: Pair) -> None:
    filled("SORT", "set", "BY", "nosort", unordered=True)
    filled("SORT", "set", "BY", "nosort", "GET", "h_*->name", unordered=True)


ERRORS = ["LIMIT", "LIMIT 1", "LIMIT a 1", "LIMIT 1 a", "BY", "GET", "STORE", "UP", "ALPHA UP"]


@pytest.mark.parametrize("words", ERRORS)
def test_errors_agree_with_a_real_server(filled: Pair, words: str) -> None:
    filled("SORT", "list", *words.split())
    filled("SORT_RO", "list", *words.split())


def test_what_cannot_be_sorted(filled: Pair) -> None:
    filled("SORT", "words")
    filled("SORT", "words", "STORE", "out")
    filled("EXISTS", "out")
    filled("SORT", "list", "BY", "name_*")
    filled("SORT", "h_1")
    filled("SET", "s", "x")
    filled("SORT", "s")
    filled("SORT_RO", "list", "STORE", "out")


def test_store_replaces_or_deletes(raw: Connection) -> None:
    raw("HSET", "out", "f", "v")
    raw("EXPIRE", "out", 100)
    raw("RPUSH", "l", 3, 1, 2)
    assert raw("SORT", "l", "STORE", "out") == 3
    assert raw("LRANGE", "out", 0, -1) == [b"1", b"2", b"3"]
    assert raw("TTL", "out") == -1
    assert raw("SORT", "none", "STORE", "out") == 0
    assert raw("EXISTS", "out") == 0
    assert raw("SORT", "l", "DESC", "STORE", "l") == 3
    assert raw("LRANGE", "l", 0, -1) == [b"3", b"2", b"1"]


def test_encoding_of_what_is_stored(raw: Connection) -> None:
    raw("RPUSH", "l", *range(2000))
    raw("SORT", "l", "LIMIT", 0, 100, "STORE", "few")
    raw("SORT", "l", "GET", "#", "GET", "#", "STORE", "many")
    assert raw("OBJECT", "ENCODING", "few") == b"listpack"
    assert raw("LLEN", "many") == 4000
    assert raw("OBJECT", "ENCODING", "many") == b"quicklist"


def test_keys_of_a_call(both: Pair) -> None:
    both("COMMAND", "GETKEYS", "SORT", "abc", "STORE", "stored")
    both("COMMAND", "GETKEYS", "SORT", "abc", "BY", "store", "LIMIT", "0", "store", "STORE", "a", "STORE", "b")
