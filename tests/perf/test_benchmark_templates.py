"""Templates and what is drawn into them: requests are RESP whatever the sizes, draws have their distribution."""

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from perf.benchmark.options import Options
from perf.benchmark.session import make_engine
from perf.benchmark.sizes import parse_keys, parse_sizes, parse_weights
from perf.benchmark.templates import TESTS, UnknownTest, select


def samples(count: int, **options: Any) -> list[list[bytes]]:
    """The words of that many requests."""
    engine = make_engine(Options(**options))
    return [words(engine.sample(seed=seed)) for seed in range(count)]


def words(request: bytes) -> list[bytes]:
    """A strict reader of one request."""
    head, _, rest = request.partition(b"\r\n")
    assert head[:1] == b"*"
    found = []
    for _ in range(int(head[1:])):
        length, _, rest = rest.partition(b"\r\n")
        assert length[:1] == b"$"
        size = int(length[1:])
        found.append(rest[:size])
        assert rest[size : size + 2] == b"\r\n"
        rest = rest[size + 2 :]
    assert rest == b""
    return found


@pytest.mark.parametrize("name", [name for name in TESTS if name != "ping_inline"])
@pytest.mark.parametrize("size", [5, "0-40"])
def test_every_test_is_a_request(name: str, size: int | str):
    for request in samples(20, test=name, value_size=size, key_space=1000):
        assert request[0].decode() == TESTS[name].words[0].decode()
        assert len(request) == len(TESTS[name].words)


def test_inline():
    assert make_engine(Options(test="ping_inline")).sample() == b"PING\r\n"


PIECES = st.lists(
    st.sampled_from(["__rand_int__", "__data__", "__key__", "x", "", "__", "\r\n", "ü", "__rand_int_"]), max_size=5
).map("".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=6), st.sampled_from([0, 7, "3-90", "1:1,50:2", "lognormal:20:0.5"]))
def test_any_template(template: list[str], size: int | str):
    for request in samples(3, command=template, value_size=size, key_space=50):
        for word, shown in zip(template, request, strict=True):
            parts = [
                {"__rand_int__": rb"0000000000[0-4]\d", "__key__": rb"key:0000000000[0-4]\d", "__data__": rb"[a-zA-Z]*"}
                .get(part, re.escape(part.encode()))
                for part in re.split("(__rand_int__|__key__|__data__)", word)
            ]  # fmt: skip
            assert re.fullmatch(b"".join(parts), shown, re.DOTALL)


def test_without_a_key_space_placeholders_stay():
    assert samples(1, test="get")[0] == [b"GET", b"key:__rand_int__"]
    assert samples(1, test="zadd")[0] == [b"ZADD", b"myzset", b"0", b"element:__rand_int__"]


def test_key_formats():
    request = samples(1, test="get", key_space=10, key_format="{u__rand_int__}:mail")[0]
    assert re.fullmatch(rb"\{u00000000000\d\}:mail", request[1])


def numbers(count: int, **options: Any) -> list[int]:
    engine = make_engine(Options(command="GET __rand_int__", **options))
    return [int(words(engine.sample(seed=seed))[1]) for seed in range(count)]


def test_uniform_keys():
    seen = Counter(numbers(8_000, key_space=10))
    assert set(seen) == set(range(10))
    assert all(650 < count < 950 for count in seen.values())


@pytest.mark.parametrize("space", [1, 99, 10**6, 5 * 10**9, 10**12])
def test_numbers_stay_in_the_space(space: int):
    for distribution in ("uniform", "zipf", "zipf:3", "sequential"):
        assert all(0 <= number < space for number in numbers(300, key_space=space, key_distribution=distribution))


@pytest.mark.parametrize("theta", [0.5, 0.99, 1.0, 1.5])
def test_zipf_keys(theta: float):
    seen = Counter(numbers(20_000, key_space=1000, key_distribution=f"zipf:{theta}"))
    total = sum(1 / k**theta for k in range(1, 1001))
    for k in (1, 2, 3, 10):
        expected = 20_000 / k**theta / total
        assert abs(seen[k - 1] - expected) < 5 * expected**0.5 + 1
    tail = 20_000 * sum(1 / k**theta for k in range(501, 1001)) / total
    assert abs(sum(count for number, count in seen.items() if number >= 500) - tail) < 5 * tail**0.5 + 1


def test_sequential_keys():
    assert numbers(25, key_space=10, key_distribution="sequential") == [*range(10), *range(10), *range(5)]


def test_value_sizes():
    def sizes(given: int | str) -> list[int]:
        return [len(request[2]) for request in samples(4000, test="set", value_size=given)]

    assert set(sizes(7)) == {7}
    assert set(sizes("5-9")) == {5, 6, 7, 8, 9}
    weighed = Counter(sizes("10:3,1000:1"))
    assert set(weighed) == {10, 1000}
    assert 2800 < weighed[10] < 3200
    drawn = sorted(sizes("lognormal:100:0.5:2000"))
    assert 95 < drawn[2000] < 105
    assert 150 < drawn[3365] < 180  # one sigma above: 100 * e^0.5 = 165
    assert drawn[-1] <= 2000


def test_select():
    assert select(["get", "SET"]) == ["set", "get"]
    assert select(["ping"]) == ["ping_inline", "ping_mbulk"]
    assert select(["lrange_300"]) == ["lrange_fill", "lrange_300"]
    with pytest.raises(UnknownTest, match="nonsense"):
        select(["nonsense"])
    assert select(TESTS) == list(TESTS)


def test_what_is_not_understood_is_refused():
    for size in ("x", "9-5", "-1", "lognormal:5", "1:-1", "10:0", str(2**40)):
        with pytest.raises(ValueError, match="value size"):
            parse_sizes(size)
    for distribution, space in (("gauss", 10), ("zipf:x", 10), ("zipf:0", 10), ("uniform:1", 10), ("uniform", 10**13)):
        with pytest.raises(ValueError, match="key"):
            parse_keys(distribution, space)
    for mix in ("", "get:x", "get:-1", "get:0"):
        with pytest.raises(ValueError, match="mix"):
            parse_weights(mix)
    wrongs = ({"clients": 0}, {"rate": -1}, {"arrivals": "bursts"}, {"requests": 0}, {"user": "x"}, {"mix": "no:1"})
    for wrong in wrongs:
        with pytest.raises(ValueError):
            Options(**wrong).check()
