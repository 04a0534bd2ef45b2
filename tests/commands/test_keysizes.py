"""INFO keysizes: how many keys are how long."""

from tests.support.server import wait_until


def sizes(connection) -> dict[str, dict[str, int]]:
    found = {}
    for line in connection("INFO", "keysizes").decode().split("\r\n"):
        name, _, classes = line.partition(":")
        if classes:
            found[name] = {size: int(keys) for size, keys in (each.split("=") for each in classes.split(","))}
    return found


def test_keys_of_each_type_by_the_power_of_two_below_their_length(raw):
    for length in (0, 1, 2, 3, 4, 1023, 1024, 3_000_000):
        raw("SET", f"string{length}", "v" * length)
    raw("SET", "number", 12345)
    for count in (1, 100, 3000):                      # compact and large
        raw("RPUSH", f"list{count}", *range(count))
        raw("SADD", f"integers{count}", *range(count))
        raw("SADD", f"set{count}", *(f"m{n}" for n in range(count)))
        raw("ZADD", f"zset{count}", *(word for n in range(count) for word in (n, f"m{n}")))
        raw("HSET", f"hash{count}", *(word for n in range(count) for word in (f"f{n}", n)))
    raw("SELECT", 5)
    raw("HSET", "hash", "f", "v")
    expected = {
        "db0_distrib_strings_sizes": {"0": 1, "1": 1, "2": 2, "4": 2, "512": 1, "1K": 1, "2M": 1},
        "db0_distrib_lists_items": {"1": 1, "64": 1, "2K": 1},
        "db0_distrib_sets_items": {"1": 2, "64": 2, "2K": 2},
        "db0_distrib_zsets_items": {"1": 1, "64": 1, "2K": 1},
        "db0_distrib_hashes_items": {"1": 1, "64": 1, "2K": 1},
        "db5_distrib_hashes_items": {"1": 1},
    }
    wait_until(lambda: sizes(raw) == expected, "a walk over the keys")
    raw("DEL", "hash")
    wait_until(lambda: "db5_distrib_hashes_items" not in sizes(raw), "another one")


def test_no_walk_no_sizes(raw, configure):
    raw("SET", "k", "v")
    wait_until(lambda: sizes(raw) == {"db0_distrib_strings_sizes": {"1": 1}})
    configure("big-keys-walk", 0)
    assert sizes(raw) == {}
