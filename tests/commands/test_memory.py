"""MEMORY: what a key costs, and the server's own figures."""

from tests.support.resp import RespError, Status


def test_usage(raw):
    assert raw("MEMORY", "USAGE", "none") is None
    raw("SET", "small", "v")
    raw("SET", "large", "v" * 100000)
    assert 0 < raw("MEMORY", "USAGE", "small") < 200
    assert raw("MEMORY", "USAGE", "large", "SAMPLES", 0) > 100000


def test_usage_errors(both):
    both("SET", "k", 1)
    for words in (("SAMPLES",), ("SAMPLES", -1), ("SAMPLES", "x"), ("x",), ("SAMPLES", 1, "x")):
        both("MEMORY", "USAGE", "k", *words)
    both("MEMORY", "USAGE")
    both("MEMORY", "NONE")


def test_stats_have_the_names_that_redis_has(both):
    both("SET", "k", 1)
    both("SELECT", 2)
    both("SET", "k", 1)
    both.resp3()
    ours, theirs = both.ours("MEMORY", "STATS"), both.theirs("MEMORY", "STATS")
    assert [name for name in ours if name != b"db.dict.rehashing.count"] == list(theirs)
    assert {type(ours[name]) for name in ours} == {int, float, dict}
    for name, value in theirs.items():
        assert type(ours[name]) is type(value), name


def test_rest(raw, raw3):
    assert raw("MEMORY", "PURGE") == Status("OK")
    assert raw3("MEMORY", "DOCTOR").format == "txt"
    assert raw3("MEMORY", "MALLOC-STATS").format == "txt"
    assert isinstance(raw("MEMORY", "HELP", "x"), RespError)


def test_growth_is_seen(raw):
    before = raw("MEMORY", "STATS")
    raw("SET", "k", "v" * 3_000_000)
    after = raw("MEMORY", "STATS")
    at = before.index(b"total.allocated") + 1
    assert after[at] - before[at] > 2_900_000
