"""Client-side caching through the socket: who is told what, and when. `test_tracking_beside.py` compares with Redis."""

import pytest

from tests.support.resp import Push, RespError, Status
from tests.support.server import wait_until


def invalidated(connection):
    """What a RESP3 connection was told since the last look, everything that was caused before this call included."""
    assert connection("ECHO", "fence") == b"fence"
    told, connection.pushes = connection.pushes, []
    assert all(push[0] == b"invalidate" for push in told), told
    return [push[1] for push in told]


def expires_once_read(raw, cache, key):
    """A key that `cache` has seen before it expires, soon."""
    for milliseconds in (10, 100, 1000, 10_000):
        raw("SET", key, 1, "PX", milliseconds)
        if cache("EXISTS", key):
            return
    raise AssertionError("too slow")


@pytest.fixture
def cache(another):
    """A RESP3 connection that tracks."""
    connection = another(protocol=3)
    connection.ok("CLIENT", "TRACKING", "ON")
    return connection


def fields(connection, section):
    text = connection("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


@pytest.mark.parametrize("fast", ["yes", "no"])
class TestDefaultMode:
    @pytest.fixture(autouse=True)
    def _switch(self, raw, fast):
        raw.ok("DEBUG", "FAST-PATHS", fast)

    def test_what_was_read_is_told_once(self, raw, cache):
        raw("SET", "k", 1)
        assert cache("GET", "k") == b"1"
        raw("SET", "k", 2)
        raw("SET", "k", 3)
        assert invalidated(cache) == [[b"k"]]
        assert cache("GET", "k") == b"3"
        raw("DEL", "k")
        assert invalidated(cache) == [[b"k"]]

    def test_what_was_not_read_is_not_told(self, raw, cache):
        raw("MSET", "a", 1, "b", 2)
        assert cache("MGET", "a", "none") == [b"1", None]
        raw("MSET", "b", 3, "none", 4)
        assert invalidated(cache) == [[b"none"]]

    def test_writes_remember_nothing(self, raw, cache):
        cache("SET", "k", 1)
        cache("GETSET", "k", 2)
        cache("INCR", "k")
        raw("DEL", "k")
        assert invalidated(cache) == []

    @pytest.mark.parametrize(
        "command",
        [
            ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"),
            ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0"),
            ("XCLAIM", "s", "g", "d", "0", "1-1"),
            ("XAUTOCLAIM", "s", "g", "d", "0", "0"),
            ("XACK", "s", "g", "1-1"),
            ("XGROUP", "SETID", "s", "g", "1-2"),
            ("XGROUP", "CREATE", "s", "other", "0"),
            ("XGROUP", "CREATECONSUMER", "s", "g", "new"),
            ("XGROUP", "DELCONSUMER", "s", "g", "c"),
            ("XGROUP", "DESTROY", "s", "g"),
            ("XSETID", "s", "9-9"),
        ],
        ids=lambda words: " ".join(words[:2]),
    )
    def test_groups_of_a_stream_are_none_of_its_contents(self, raw, cache, command):
        for number in (1, 2):
            raw("XADD", "s", f"1-{number}", "f", "v")
        raw("XGROUP", "CREATE", "s", "g", "0")
        raw("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">")
        raw("XGROUP", "CREATECONSUMER", "s", "g", "d")
        assert cache("XLEN", "s") == 2
        assert not isinstance(raw(*command), RespError)
        assert invalidated(cache) == []
        raw("XADD", "s", "10-1", "f", "v")
        assert invalidated(cache) == [[b"s"]]

    def test_an_error_is_remembered_too(self, raw, cache):
        raw("RPUSH", "l", 1)
        assert isinstance(cache("GET", "l"), RespError)
        raw("DEL", "l")
        assert invalidated(cache) == [[b"l"]]

    def test_own_writes_are_told_after_their_reply(self, cache):
        cache.send_raw(b"GET k\r\nSET k 1\r\nGET k\r\nMSET k 2 j 3\r\nECHO end\r\n")
        assert cache.read_many(7) == [None, Status("OK"), [b"invalidate", [b"k"]], b"1", Status("OK"),
                                      [b"invalidate", [b"k"]], b"end"]

    def test_a_transaction_is_not_interrupted(self, cache):
        cache.send_raw(b"MULTI\r\nGET a\r\nSET a 1\r\nGET a\r\nSET a 2\r\nFLUSHALL\r\nEXEC\r\nECHO end\r\n")
        assert cache.read_many(6) == [Status("OK")] + [Status("QUEUED")] * 5
        assert cache.read() == [None, Status("OK"), b"1", Status("OK"), Status("OK")]
        assert cache.read_many(4) == [[b"invalidate", [b"a"]], [b"invalidate", [b"a"]], [b"invalidate", None], b"end"]

    def test_what_a_script_reads_is_read_for_its_caller(self, raw, cache):
        raw("MSET", "a", 1, "b", 2)
        script = "redis.call('get', KEYS[1]); return redis.call('incr', KEYS[2])"
        assert cache("EVAL", script, 2, "a", "b") == 3
        raw("MSET", "a", 3, "b", 4)
        assert invalidated(cache) == [[b"a"]]
        cache("GET", "b")
        assert cache("EVAL", script, 2, "a", "b") == 5
        assert invalidated(cache) == [[b"b"]]

    def test_a_read_only_script_reads_no_keys_itself(self, raw, cache):
        assert cache("EVAL_RO", "return 1", 1, "a") == 1
        raw("SET", "a", 1)
        assert invalidated(cache) == []

    def test_keys_that_stand_anywhere(self, raw, cache):
        """Found by places, by a count, by a reader, behind a subcommand."""
        raw("ZADD", "z", 1, "m")
        raw("XADD", "s", "1-1", "f", "v")
        cache("ZUNION", 2, "z", "y")
        cache("XREAD", "STREAMS", "s", "t", 0, 0)
        cache("OBJECT", "ENCODING", "o")
        cache("SORT_RO", "l")
        for key in "zystol":
            raw("DEL", key)
            raw("SET", key, 1)
        assert invalidated(cache) == [[key] for key in (b"z", b"y", b"s", b"t", b"o", b"l")]

    def test_every_key_of_a_write_that_has_several(self, raw, cache):
        raw("RPUSH", "l", 1, 2)
        raw("SADD", "s", 1, 2)
        raw("SET", "k", 1)
        for key in "lm":
            cache("LLEN", key)
        for key in "st":
            cache("SCARD", key)
        cache("MGET", "k", "n")
        raw("LMOVE", "l", "m", "LEFT", "LEFT")
        raw("SMOVE", "s", "t", 1)
        raw("RENAME", "k", "n")
        assert sorted(invalidated(cache)) == [[key] for key in (b"k", b"l", b"m", b"n", b"s", b"t")]

    def test_expiry_is_a_change(self, raw, cache):
        raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        expires_once_read(raw, cache, "k")
        invalidated(cache)
        wait_until(lambda: raw("GET", "k") is None, "the key to expire")
        assert invalidated(cache) == [[b"k"]]

    def test_the_expiry_of_what_is_read_just_now(self, raw, cache):
        """Gone for the last reading, remembered for this one."""
        raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        expires_once_read(raw, cache, "k")
        invalidated(cache)
        wait_until(lambda: cache("GET", "k") is None, "the key to expire")
        assert invalidated(cache) == [[b"k"]]
        raw("SET", "k", 2)
        assert invalidated(cache) == [[b"k"]]

    def test_the_active_cycle(self, raw, cache):
        expires_once_read(raw, cache, "k")
        wait_until(lambda: raw("DBSIZE") == 0, "the key to expire")
        assert [b"k"] in invalidated(cache)

    @pytest.mark.parametrize("flush", ["FLUSHALL", "FLUSHDB"])
    def test_a_flush_is_told_to_all(self, raw, cache, another, flush):
        other = another(protocol=3)
        other.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x")
        cache("GET", "k")
        raw(flush)
        assert invalidated(cache) == [None] and invalidated(other) == [None]
        raw("SET", "k", 1)
        assert invalidated(cache) == []

    def test_no_loop(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "NOLOOP")
        c("GET", "k")
        c("SET", "k", 1)
        assert invalidated(c) == []
        raw("SET", "k", 2)              # ... and it is not remembered any more
        assert invalidated(c) == []
        c("GET", "k")
        raw("SET", "k", 3)
        assert invalidated(c) == [[b"k"]]

    def test_no_loop_spares_only_what_is_known(self, raw, another, configure):
        """A script's changes are the client's; what expires or is forgotten is not."""
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "NOLOOP")
        c("GET", "k")
        c("EVAL", "redis.call('set', KEYS[1], 1)", 1, "k")
        assert invalidated(c) == []
        raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        expires_once_read(raw, c, "k")
        invalidated(c)
        wait_until(lambda: c("GET", "k") is None, "the key to expire")
        assert invalidated(c) == [[b"k"]]
        c("MGET", "a", "b", "k")
        c("CONFIG", "SET", "tracking-table-max-keys", 1)
        assert len(invalidated(c)) == 2

    def test_databases_share_names(self, raw, cache):
        cache("GET", "k")
        raw("SELECT", 1)
        raw("SET", "k", 1)
        assert invalidated(cache) == [[b"k"]]

    def test_replies_may_be_off(self, raw, cache):
        cache("GET", "k")
        cache.send("CLIENT", "REPLY", "OFF")
        cache.send("GET", "j")
        cache.send("CLIENT", "REPLY", "ON")
        assert cache.read() == Status("OK")
        cache.send("CLIENT", "REPLY", "OFF")
        cache.send("SET", "k", 1)
        assert cache.read() == [b"invalidate", [b"k"]]
        raw("SET", "j", 1)
        assert cache.read() == [b"invalidate", [b"j"]]

    def test_who_waited(self, raw, another):
        """A command that had to wait reads, and tells, like any other."""
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON")
        c("LRANGE", "to", 0, -1)
        c.send("BLMOVE", "from", "to", "LEFT", "LEFT", 0)
        wait_until(lambda: fields(raw, "clients")["blocked_clients"] == "1", "it to wait")
        raw("RPUSH", "from", "x")
        assert c.read() == b"x"
        assert c.read() == [b"invalidate", [b"to"]]
        c.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        wait_until(lambda: fields(raw, "clients")["blocked_clients"] == "1", "it to wait")
        raw("XADD", "s", "1-1", "f", "v")
        assert c.read() == [b"invalidate", [b"s"]]
        assert c.read() == {b"s": [[b"1-1", [b"f", b"v"]]]}
        raw("XADD", "s", "2-1", "f", "v")
        assert invalidated(c) == [[b"s"]]


class TestOptions:
    def test_opt_in(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "OPTIN")
        c("GET", "a")
        c.ok("CLIENT", "CACHING", "YES")
        c("GET", "b")
        c("GET", "c")
        c.ok("CLIENT", "CACHING", "YES")
        c("NO-SUCH-COMMAND")
        c("GET", "d")
        raw("MSET", "a", 1, "b", 1, "c", 1, "d", 1)
        assert invalidated(c) == [[b"b"]]

    def test_opt_out(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "OPTOUT")
        c("GET", "a")
        c.ok("CLIENT", "CACHING", "NO")
        c("CLIENT", "ID")               # CLIENT leaves it to the command behind
        c("GET", "b")
        c("GET", "c")
        raw("MSET", "a", 1, "b", 1, "c", 1)
        assert invalidated(c) == [[b"a"], [b"c"]]

    def test_a_transaction_is_one_command(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "OPTIN")
        c.ok("CLIENT", "CACHING", "YES")
        c.pipeline([("MULTI",), ("GET", "a"), ("GET", "b"), ("EXEC",), ("GET", "c")])
        c.pipeline([("MULTI",), ("GET", "d"), ("CLIENT", "CACHING", "YES"), ("GET", "e"), ("EXEC",), ("GET", "f")])
        raw("MSET", *(word for key in "abcdef" for word in (key, 1)))
        assert invalidated(c) == [[b"a"], [b"b"], [b"e"]]

    def test_caching_of_a_subscriber(self, raw, another):
        c = another(protocol=3)
        c.send("SUBSCRIBE", "x")
        assert c.read() == [b"subscribe", b"x", 1]
        c.ok("CLIENT", "TRACKING", "ON", "OPTIN")
        c.ok("CLIENT", "CACHING", "YES")
        c("GET", "a")
        raw("SET", "a", 1)
        assert invalidated(c) == [[b"a"]]

    def test_only_certain_reads_after_other_options(self, raw, another):
        """Said again, options replace those from before; OFF and ON again switches the mode."""
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP")
        assert c("CLIENT", "TRACKINGINFO")[b"flags"] == [b"on", b"optin", b"noloop"]
        c.ok("CLIENT", "CACHING", "YES")
        assert c("CLIENT", "TRACKINGINFO")[b"flags"] == [b"on", b"optin", b"caching-yes", b"noloop"]
        c.ok("CLIENT", "TRACKING", "ON")
        assert c("CLIENT", "TRACKINGINFO")[b"flags"] == [b"on"]
        c.ok("CLIENT", "TRACKING", "OFF")
        c("GET", "k")
        raw("SET", "k", 1)
        assert invalidated(c) == []
        c.ok("CLIENT", "TRACKING", "ON", "OPTOUT")

    def test_off_forgets_nothing_and_tells_nothing(self, raw, cache):
        cache("GET", "k")
        cache.ok("CLIENT", "TRACKING", "OFF")
        assert fields(raw, "stats")["tracking_total_keys"] == "1"
        raw("SET", "k", 1)
        assert fields(raw, "stats")["tracking_total_keys"] == "0"
        assert invalidated(cache) == []

    def test_reset_and_hello(self, raw, cache):
        cache("GET", "k")
        cache("HELLO", 3, "SETNAME", "x")
        raw("SET", "k", 1)
        assert invalidated(cache) == [[b"k"]]
        cache("GET", "k")
        cache("RESET")
        raw("SET", "k", 2)
        assert cache("ECHO", "x") == b"x" and not cache.pushes
        assert fields(raw, "clients")["tracking_clients"] == "0"

    def test_resp2_without_redirection_is_told_nothing(self, raw, another):
        c = another()
        c.ok("CLIENT", "TRACKING", "ON")
        c("GET", "k")
        c("HELLO", 3)
        c("GET", "j")
        c("HELLO", 2)
        raw("MSET", "k", 1, "j", 1)
        assert c("ECHO", "x") == b"x" and not c.pushes


class TestBroadcast:
    def test_prefixes(self, raw, another):
        c, d = another(protocol=3), another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "x")
        d.ok("CLIENT", "TRACKING", "ON", "BCAST")
        raw("MSET", "user:2", 1, "user", 1, "user:1", 1, "xyz", 1, "", 1)
        assert invalidated(c) == [[b"user:1", b"user:2"], [b"xyz"]]
        assert invalidated(d) == [[b"", b"user", b"user:1", b"user:2", b"xyz"]]
        info = c("CLIENT", "TRACKINGINFO")
        assert info == {b"flags": [b"on", b"bcast"], b"redirect": 0, b"prefixes": [b"user:", b"x"]}
        assert fields(raw, "stats")["tracking_total_prefixes"] == "3"
        d.ok("CLIENT", "TRACKING", "OFF")
        assert fields(raw, "stats")["tracking_total_prefixes"] == "2"

    def test_prefixes_add_up(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a")
        c.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "b", "NOLOOP")
        raw("MSET", "a", 1, "b", 1)
        assert invalidated(c) == [[b"a"], [b"b"]]

    def test_nobody_is_told_a_name_that_it_may_not_read(self, raw, another):
        c = another(protocol=3)
        raw("ACL", "SETUSER", "reader", "on", "nopass", "+@all", "%R~open:*", "%W~secret:*")
        c.ok("AUTH", "reader", "")
        c.ok("CLIENT", "TRACKING", "ON", "BCAST")
        raw("MSET", "open:1", 1, "secret:1", 1)
        raw("SET", "secret:2", 1)
        raw("SET", "open:2", 1)
        assert [name for names in invalidated(c) for name in names] == [b"open:1", b"open:2"]
        raw("ACL", "DELUSER", "reader")

    def test_no_loop_is_by_the_last_change(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
        c("SET", "own", 1)
        raw("SET", "other", 1)
        assert invalidated(c) == [[b"other"]]
        c("EVAL", "redis.call('set', KEYS[1], 1)", 1, "by-script")     # as in Redis: a script is not the client
        assert invalidated(c) == [[b"by-script"]]

    def test_own_changes_come_after_the_replies_of_the_turn(self, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "BCAST")
        c.send_raw(b"SET k 1\r\nGET k\r\n")
        assert c.read_many(3) == [Status("OK"), b"1", [b"invalidate", [b"k"]]]

    def test_expiry(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
        raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        raw("SET", "k", 1, "PX", 1)
        wait_until(lambda: c("GET", "k") is None, "the key to expire")
        assert invalidated(c) == [[b"k"], [b"k"]]

    def test_reads_are_not_remembered(self, raw, another):
        c = another(protocol=3)
        c.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x")
        c("GET", "k")
        assert fields(raw, "stats")["tracking_total_keys"] == "0"
        raw("SET", "k", 1)
        assert invalidated(c) == []


class TestRedirection:
    @pytest.mark.parametrize("protocol", [2, 3])
    def test_to_another(self, raw, another, protocol):
        receiver, c = another(protocol=protocol), another()
        if protocol == 2:
            receiver("SUBSCRIBE", "__redis__:invalidate")
        c.ok("CLIENT", "TRACKING", "ON", "REDIRECT", receiver_id := self._id(receiver, protocol, raw))
        assert c("CLIENT", "GETREDIR") == receiver_id
        c("GET", "k")
        raw("SET", "k", 1)
        raw("FLUSHALL")
        head = [b"invalidate"] if protocol == 3 else [b"message", b"__redis__:invalidate"]
        assert receiver.read_many(2) == [[*head, [b"k"]], [*head, None]]

    @staticmethod
    def _id(receiver, protocol, raw):
        if protocol == 3:
            return receiver("CLIENT", "ID")
        lines = raw("CLIENT", "LIST", "TYPE", "PUBSUB").decode().splitlines()
        return int(lines[-1].split()[0].removeprefix("id="))

    def test_who_does_not_listen_is_told_nothing(self, raw, another):
        receiver, c = another(), another()
        c.ok("CLIENT", "TRACKING", "ON", "REDIRECT", receiver("CLIENT", "ID"))
        c("GET", "k")
        raw("SET", "k", 1)
        assert receiver("ECHO", "x") == b"x"

    @pytest.mark.parametrize("fast", ["yes", "no"])
    def test_what_the_receiver_changes_itself_comes_after_its_reply(self, raw, raw3, another, fast):
        raw.ok("DEBUG", "FAST-PATHS", fast)
        c = another()
        c.ok("CLIENT", "TRACKING", "ON", "REDIRECT", raw3("CLIENT", "ID"))
        c("MGET", "k", "l", "h")
        raw3.send_raw(b"SET k 1\r\nHSET h f v\r\nMULTI\r\nRPUSH l 1\r\nGET k\r\nEXEC\r\n")
        assert raw3.read_many(9) == [Status("OK"), [b"invalidate", [b"k"]], 1, [b"invalidate", [b"h"]], Status("OK"),
                                     Status("QUEUED"), Status("QUEUED"), [1, b"1"], [b"invalidate", [b"l"]]]

    def test_broken(self, raw, another):
        receiver, c = another(protocol=3), another(protocol=3)
        receiver_id = receiver("CLIENT", "ID")
        c.ok("CLIENT", "TRACKING", "ON", "REDIRECT", receiver_id)
        c("GET", "k")
        receiver.close()
        wait_until(lambda: raw("CLIENT", "LIST", "ID", receiver_id) == b"", "it to be gone")
        raw("SET", "k", 1)
        assert c.read() == [b"tracking-redir-broken", receiver_id]
        assert c("CLIENT", "TRACKINGINFO")[b"flags"] == [b"on", b"broken_redirect"]
        assert b" flags=tR " in c("CLIENT", "INFO") and c("CLIENT", "GETREDIR") == receiver_id
        c.ok("CLIENT", "TRACKING", "ON")
        assert b" flags=t " in c("CLIENT", "INFO")

    def test_broadcast(self, raw, another):
        receiver, c = another(protocol=3), another()
        c.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "REDIRECT", receiver("CLIENT", "ID"))
        raw("MSET", "a", 1, "b", 1)
        assert invalidated(receiver) == [[b"a"]]
        assert b" flags=tB " in c("CLIENT", "INFO")


class TestTheTable:
    def test_it_has_a_limit(self, raw, cache, configure):
        configure("tracking-table-max-keys", 10)
        cache("MGET", *(f"k{i}" for i in range(30)))
        told = invalidated(cache)
        assert len(told) == 20 and all(len(names) == 1 for names in told)
        assert fields(raw, "stats")["tracking_total_keys"] == "10"
        cache("GET", "another")
        assert len(invalidated(cache)) == 1
        configure("tracking-table-max-keys", 3)
        wait_until(lambda: fields(raw, "stats")["tracking_total_keys"] == "3", "the cron")
        configure("tracking-table-max-keys", 0)
        cache("MGET", *(f"k{i}" for i in range(30)))
        assert int(fields(raw, "stats")["tracking_total_keys"]) >= 30

    def test_information(self, raw, cache, another):
        other = another(protocol=3)
        other.ok("CLIENT", "TRACKING", "ON")
        cache("MGET", "a", "b")
        other("MGET", "b", "c")
        shown = fields(raw, "stats")
        assert (shown["tracking_total_keys"], shown["tracking_total_items"]) == ("3", "4")
        assert fields(raw, "clients")["tracking_clients"] == "2"
        other.close()
        wait_until(lambda: fields(raw, "clients")["tracking_clients"] == "1", "it to be gone")
        raw("SET", "b", 1)
        shown = fields(raw, "stats")
        assert (shown["tracking_total_keys"], shown["tracking_total_items"]) == ("2", "2")
        assert invalidated(cache) == [[b"b"]]

    def test_what_is_evicted_for_a_command_is_told_before_it(self, raw, cache):
        raw("CONFIG", "SET", "maxmemory-policy", "volatile-random")
        raw("SETEX", "volatile", 10000, "x")
        cache("GET", "volatile")
        used = int(fields(raw, "memory")["used_memory"]) - int(fields(raw, "memory")["mem_not_counted_for_evict"])
        raw("CONFIG", "SET", "maxmemory", used + 150_000)
        assert cache("SETBIT", "big", 3_200_000, 0) == 0 and not cache.pushes
        cache.send("GETBIT", "big", 0)
        assert cache.read_many(2) == [Push([b"invalidate", [b"volatile"]]), 0]
        raw("CONFIG", "SET", "maxmemory", 0)
        assert raw("EXISTS", "volatile") == 0

    def test_mode_of_the_fast_paths(self, raw, cache):
        """Neither reads of who tracks nor writes to what is tracked take the way through Python."""
        cache("GET", "k")
        before = int(fields(raw, "debug")["fast_path_commands"])
        for _ in range(10):
            cache("GET", "k")
            raw("SET", "k", 1)
        assert int(fields(raw, "debug")["fast_path_commands"]) == before + 20


def test_arguments(both):
    both("CLIENT", "TRACKING")
    both("CLIENT", "TRACKING", "MAYBE")
    both("CLIENT", "TRACKING", "ON", "REDIRECT")
    both("CLIENT", "TRACKING", "ON", "REDIRECT", "x")
    both("CLIENT", "TRACKING", "ON", "REDIRECT", 0)
    both("CLIENT", "TRACKING", "ON", "REDIRECT", 999999)
    both("CLIENT", "TRACKING", "ON", "PREFIX", "a")
    both("CLIENT", "TRACKING", "ON", "PREFIX")
    both("CLIENT", "TRACKING", "OFF", "NO-SUCH")
    both("CLIENT", "TRACKING", "ON", "BCAST", "OPTIN")
    both("CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT")
    both("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab", "PREFIX", "a")
    both("CLIENT", "CACHING", "YES")
    both("CLIENT", "CACHING")
    both("CLIENT", "GETREDIR")
    both("CLIENT", "TRACKINGINFO")
    both("CLIENT", "TRACKING", "ON", "OPTIN")
    both("CLIENT", "TRACKING", "ON", "OPTOUT")
    both("CLIENT", "TRACKING", "ON", "BCAST")
    both("CLIENT", "CACHING", "NO")
    both("CLIENT", "CACHING", "MAYBE")
    both("CLIENT", "CACHING", "yes")
    both("CLIENT", "TRACKINGINFO")
    both("CLIENT", "GETREDIR")
    both("CLIENT", "TRACKING", "OFF")
    both("CLIENT", "TRACKING", "ON", "OPTOUT")
    both("CLIENT", "CACHING", "YES")
    both("CLIENT", "TRACKING", "OFF")
    both("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b")
    both("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "aa")
    both("CLIENT", "TRACKING", "ON")
    both.resp3()
    both("CLIENT", "TRACKINGINFO")




def test_a_replica_tells_what_its_master_changes(new_server):
    """What was read there is invalid after a full sync, after each change that comes, and after an expiry."""
    master, replica = new_server(**{"repl-diskless-sync-delay": 0}), new_server()
    with master.connect() as writer, replica.connect(protocol=3) as c, replica.connect(protocol=3) as other:
        c.ok("CLIENT", "TRACKING", "ON")
        other.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k")
        c("GET", "k")
        c.ok("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: replica.info("replication").get("master_link_status") == "up", "a link")
        assert None in invalidated(c) and None in invalidated(other)
        c("GET", "k")
        writer.pipeline([("MULTI",), ("SET", "k", 1), ("SET", "x", 1), ("EXEC",)])
        wait_until(lambda: c("EXISTS", "k") == 1, "the change")
        assert invalidated(c) == [[b"k"]] and invalidated(other) == [[b"k"]]
        writer("PEXPIRE", "k", 1)
        wait_until(lambda: replica.info("keyspace").get("db0", "").startswith("keys=1,"), "the expiry")
        assert [b"k"] in invalidated(c) and [b"k"] in invalidated(other)


def test_invalidations_come_behind_own_messages(raw, another):
    """Who hears of keyspace events and tracks: its reply, what it listens to, then what is stale."""
    raw.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    c = another(protocol=3)
    c.send("SUBSCRIBE", "__keyevent@0__:set")
    assert c.read() == [b"subscribe", b"__keyevent@0__:set", 1]
    c.ok("CLIENT", "TRACKING", "ON")
    c("GET", "k")
    c.send("SET", "k", 1)
    told = [Status("OK"), [b"message", b"__keyevent@0__:set", b"k"], [b"invalidate", [b"k"]]]
    assert c.read_many(3) == told
    c("GET", "k")
    c.send_raw(b"MULTI\r\nSET k 2\r\nEXEC\r\n")
    assert c.read_many(5) == [Status("OK"), Status("QUEUED"), [Status("OK")], *told[1:]]
