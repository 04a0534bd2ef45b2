"""What a user's rules stop, and where: at commands, keys and channels, inside MULTI and scripts, while waiting."""

import pytest

from tests.support.pace import wait_until
from tests.support.resp import NullArray, RespError, Status

OK = Status("OK")
NO_KEY = RespError("NOPERM No permissions to access a key")
NO_CHANNEL = RespError("NOPERM No permissions to access a channel")
NOT_ANY_MORE = ("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
                "command is no longer allowed for the following reason: ")


@pytest.fixture
def user(raw, another):
    """user(rule, ...): a connection of a user with these rules."""
    def connect(*rules):
        raw.ok("ACL", "SETUSER", "u", "reset", "on", "nopass", *rules)
        c = another()
        c.ok("AUTH", "u", "")
        return c
    return connect


def cannot(name):
    return RespError(f"NOPERM User u has no permissions to run the '{name}' command")


@pytest.mark.parametrize("fast", ["yes", "no"])
class TestCommandsAndKeys:
    @pytest.fixture(autouse=True)
    def paths(self, raw, fast):
        raw.ok("DEBUG", "FAST-PATHS", fast)

    def test_commands(self, raw, user):
        c = user("~*", "+@read", "-mget", "+set", "+config|get", "+select|1")
        assert c("SET", "k", "v") == OK
        assert c("GET", "k") == b"v"
        assert c("MGET", "k") == cannot("mget")
        assert c("DEL", "k") == cannot("del")
        assert c("CONFIG", "GET", "port")[0] == b"port"
        assert c("CONFIG", "SET", "hz", "10") == cannot("config|set")
        assert c("SELECT", "0") == cannot("select")
        assert c("SELECT", "1") == OK
        assert c("NOSUCH").code == "ERR"
        assert c("GET") == RespError("ERR wrong number of arguments for 'get' command")
        assert c("AUTH", "u", "") == OK, "whoever may log in"

    def test_rules_change_at_once(self, raw, user):
        c = user("+@all", "~a")
        assert c("SET", "a", "1") == OK
        raw.ok("ACL", "SETUSER", "u", "-set")
        assert c("SET", "a", "1") == cannot("set")
        raw.ok("ACL", "SETUSER", "u", "+@all", "allkeys", "allchannels")
        assert c("SET", "b", "1") == OK
        raw.ok("ACL", "SETUSER", "u", "resetkeys")
        assert c("SET", "b", "1") == NO_KEY

    def test_keys(self, raw, user):
        c = user("+@all", "~app:*", "%R~r[12]", "%W~w*", "~exact")
        assert c("SET", "app:1", "v") == OK
        assert c("SET", "app:", "v") == OK
        assert c("SET", "app", "v") == NO_KEY
        assert c("MSET", "app:1", "v", "exact", "v") == OK
        assert c("MSET", "app:1", "v", "other", "v") == NO_KEY
        assert c("GET", "r1") is None
        assert c("SET", "r1", "v") == NO_KEY
        assert c("GET", "r3") == NO_KEY
        assert c("SET", "w", "v") == OK
        assert c("SET", "w", "v", "EX", "100") == OK
        assert c("SET", "w", "v", "GET") == NO_KEY, "that reads it"
        assert c("SET", "w", "GET") == OK, "that is its value"
        assert c("GET", "w") == NO_KEY
        assert c("INCR", "w") == NO_KEY, "its reply tells the value"
        assert c("APPEND", "w", "x") == 4, "its reply does not"
        assert c("EXISTS", "w", "r1") == 1, "tells no value, needs no more than some right"
        assert c("EXISTS", "other") == NO_KEY
        assert c("COPY", "r1", "w") == 0
        assert c("COPY", "w", "r1") == NO_KEY
        assert c("SINTERSTORE", "w", "r1", "r2") == 0
        assert c("SINTERSTORE", "r1", "r1", "r2") == NO_KEY
        assert c("LMOVE", "r1", "w", "LEFT", "LEFT") == NO_KEY

    def test_keys_that_are_counted_or_follow_a_word(self, raw, user):
        c = user("+@all", "~a*", "%R~r*", "%W~w*")
        assert c("ZUNION", "2", "a1", "r1") == []
        assert c("ZUNION", "2", "a1", "b1") == NO_KEY
        assert c("ZUNION", "1", "a1", "b1") == RespError("ERR syntax error")
        assert c("ZUNIONSTORE", "w1", "2", "a1", "r1") == 0
        assert c("ZUNIONSTORE", "r1", "2", "a1", "r1") == NO_KEY
        assert c("ZUNIONSTORE", "b1", "0", "a1").code == "ERR", "what cannot be read names no keys"
        assert c("ZUNION", "x", "b1") == RespError("ERR value is not an integer or out of range")
        assert c("ZUNION", "3", "b1").code == "ERR"
        assert c("LMPOP", "2", "a1", "a2", "LEFT") is NullArray
        assert c("LMPOP", "2", "a1", "r2", "LEFT") == NO_KEY
        assert c("XREAD", "COUNT", "1", "STREAMS", "a1", "r1", "0", "0") is NullArray
        assert c("XREAD", "streams", "a1", "b", "0", "0") == NO_KEY
        assert c("XREAD", "COUNT", "1", "STREAMS", "a", "0", "b").code == "ERR"
        assert c("GEORADIUS", "r1", "1", "1", "1", "m") == []
        assert c("GEORADIUS", "r1", "1", "1", "1", "m", "STORE", "w1") == 0
        assert c("GEORADIUS", "r1", "1", "1", "1", "m", "STORE", "r2") == NO_KEY
        assert c("GEORADIUS", "r1", "1", "1", "1", "m", "STORE", "w1", "STORE", "b") == NO_KEY, "the last one counts"
        assert c("BITFIELD", "r1", "GET", "u8", "0") == [0]
        assert c("BITFIELD", "r1", "SET", "u8", "0", "1") == NO_KEY
        assert c("MIGRATE", "127.0.0.1", "1", "", "0", "10", "KEYS", "a1", "b1") == NO_KEY
        assert c("MIGRATE", "127.0.0.1", "1", "b1", "0", "10") == NO_KEY
        assert c("MEMORY", "USAGE", "b") == NO_KEY
        assert c("OBJECT", "ENCODING", "b") == NO_KEY

    def test_sort(self, raw, user):
        c = user("+@all", "~a*", "%W~w")
        raw.ok("RPUSH", "a", "2", "1")
        assert c("SORT", "a") == [b"1", b"2"]
        assert c("SORT", "a", "STORE", "w") == 2
        assert c("SORT", "a", "STORE", "b") == NO_KEY
        assert c("SORT", "a", "BY", "nosort") == [b"2", b"1"]
        for call in (("SORT", "a"), ("SORT_RO", "a")):
            assert c(*call, "BY", "a*") == RespError(
                "ERR BY option of SORT denied due to insufficient ACL permissions.")
            assert c(*call, "GET", "a*") == RespError(
                "ERR GET option of SORT denied due to insufficient ACL permissions.")
        raw.ok("ACL", "SETUSER", "u", "%R~*")
        assert c("SORT", "a", "GET", "a*") == [None, None]
        assert c("SORT", "a", "BY", "a*", "STORE", "a9") == 2
        raw.ok("ACL", "SETUSER", "u", "resetkeys", "~a*", "(%R~* +get)")
        assert c("SORT", "a", "GET", "a*").code == "ERR", "one selector must permit all of it"

    def test_selectors(self, raw, user):
        c = user("+get", "~a", "(+set ~b &c)", "(+@all %R~c)")
        assert c("GET", "a") is None
        assert c("SET", "b", "v") == OK
        assert c("GET", "b") == NO_KEY
        assert c("SET", "a", "v") == NO_KEY
        assert c("GET", "c") is None
        assert c("PUBLISH", "c", "x") == NO_CHANNEL
        raw.ok("ACL", "SETUSER", "u", "clearselectors")
        assert c("SET", "b", "v") == cannot("set")
        raw.ok("ACL", "SETUSER", "u", "(allkeys allchannels allcommands)")
        assert c("SET", "b", "v") == OK

    def test_channels(self, raw, user):
        c = user("+@all", "&news.*", "&exact")
        assert c("PUBLISH", "news.x", "1") == 0
        assert c("PUBLISH", "news", "1") == NO_CHANNEL
        assert c("SPUBLISH", "exact", "1") == 0
        assert c("SPUBLISH", "exact2", "1") == NO_CHANNEL
        assert c("SUBSCRIBE", "exact", "other") == NO_CHANNEL
        assert c("PSUBSCRIBE", "news.a*") == NO_CHANNEL, "a pattern must be one of the rules"
        assert c("SSUBSCRIBE", "x") == NO_CHANNEL
        assert c("PSUBSCRIBE", "news.*") == [b"psubscribe", b"news.*", 1]
        assert c("UNSUBSCRIBE", "x")[0] == b"unsubscribe"

    def test_multi(self, raw, user):
        c = user("+@all", "~a*", "-incr")
        assert c.pipeline([("MULTI",), ("SET", "a", "1"), ("GET", "a"), ("EXEC",)])[-1] == [OK, b"1"]
        for refused, why in ((("INCR", "a"), cannot("incr")), (("GET", "b"), NO_KEY)):
            assert c.pipeline([("MULTI",), ("SET", "a", "2"), refused, ("EXEC",)]) == [
                OK, Status("QUEUED"), why, RespError("EXECABORT Transaction discarded because of previous errors.")]
        assert c("GET", "a") == b"1"
        raw.ok("ACL", "SETUSER", "u", "-exec", "-multi")
        assert c("MULTI") == cannot("multi")
        raw.ok("ACL", "SETUSER", "u", "+multi")
        assert c.pipeline([("MULTI",), ("SET", "a", "2"), ("EXEC",)])[-1].code == "EXECABORT"

    def test_exec_asks_again(self, raw, user):
        c = user("+@all", "~a*", "&*")
        queued = [("MULTI",), ("SET", "a", "1"), ("LPOS", "b", "x"), ("APPEND", "a", "2"), ("PUBLISH", "c", "x")]
        raw.ok("ACL", "SETUSER", "u", "allkeys")
        c.pipeline(queued)
        raw.ok("ACL", "SETUSER", "u", "resetkeys", "~a*", "-set", "resetchannels")
        raw.ok("ACL", "LOG", "RESET")
        assert c("EXEC") == [
            RespError(NOT_ANY_MORE + "no permission to execute the command or subcommand"),
            RespError(NOT_ANY_MORE + "no permission to touch the specified keys"),
            1,
            RespError(NOT_ANY_MORE + "no permission to access one of the channels used as arguments"),
        ]
        assert [entry[5] for entry in raw("ACL", "LOG")] == [b"multi"] * 3

    def test_scripts_have_the_rights_of_their_caller(self, raw, user):
        c = user("+eval", "+get", "+set", "~a*", "+script|load", "+evalsha", "+eval_ro")
        assert c("EVAL", "return redis.call('set', KEYS[1], 'v')", "1", "a1") == OK
        assert c("EVAL", "return redis.call('get', KEYS[1])", "1", "a1") == b"v"
        sha = c("SCRIPT", "LOAD", "return redis.pcall(unpack(ARGV))")
        assert c("EVALSHA", sha, "0", "get", "a1") == b"v"
        assert c("EVALSHA", sha, "0", "get", "b1") == RespError(
            "ERR ACL failure in script: No permissions to access a key")
        assert c("EVALSHA", sha, "0", "del", "a1") == RespError(
            "ERR ACL failure in script: User u has no permissions to run the 'del' command")
        assert c("EVAL", "return redis.call('get', 'a1')", "1", "b1") == NO_KEY
        assert raw("EVALSHA", sha, "0", "del", "a1") == 1, "the next caller has its own"

    def test_functions(self, raw, user):
        raw.ok("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function(k, a) "
                                   "return redis.pcall(unpack(a)) end)")
        c = user("+fcall", "+get", "~a*")
        assert c("FCALL", "f", "1", "a1", "get", "a1") is None
        assert c("FCALL", "f", "1", "a1", "get", "b1").code == "ERR"
        assert c("FCALL", "f", "1", "a1", "set", "a1", "v").code == "ERR"
        assert c("FCALL", "f", "1", "b1", "get", "a1") == NO_KEY

    def test_acl_check_cmd(self, raw, user):
        c = user("+eval", "+get", "~a*", "+select|1")
        def may(*call):
            words = ", ".join(f"'{word}'" for word in call)
            return c("EVAL", f"return redis.acl_check_cmd({words})", "0")

        raw.ok("ACL", "LOG", "RESET")
        assert may("GET", "a1") == 1
        assert may("GET", "b1") is None
        assert may("set", "a1", "v") is None
        assert may("select", "1") == 1
        assert may("nosuch").text.startswith("ERR Invalid command passed to redis.acl_check_cmd()")
        assert raw("EVAL", "return redis.acl_check_cmd('set', 'x', 'y')", "0") == 1
        assert raw("ACL", "LOG") == []

    def test_a_refusal_is_counted(self, raw, user, server):
        c = user("+@all", "~a")
        raw.ok("CONFIG", "RESETSTAT")
        assert c("WATCH", "b") == NO_KEY
        assert "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1" in server.info("commandstats")["cmdstat_watch"]
        assert server.info("errorstats")["errorstat_NOPERM"] == "count=1"


class TestFastPaths:
    """A user with restrictions keeps the fast paths: they ask, they do not decline."""

    @pytest.mark.parametrize("rules", [
        ("+@all", "~app:*"), ("+@read", "+@write", "+@connection", "%R~app:*", "%W~app:*"),
        ("(+@all ~other)", "(+@all ~app:*)"),
    ])  # fmt: skip
    def test_plain_commands(self, raw, user, server, rules):
        c = user(*rules)
        calls = [("SET", "app:1", "1"), ("GET", "app:1"), ("INCR", "app:1"), ("MGET", "app:1", "app:2"),
                 ("SET", "app:1", "1", "EX", "100"), ("LPUSH", "app:l", "x"), ("HSET", "app:h", "f", "v"),
                 ("ZADD", "app:z", "1", "m"), ("ZUNION", "1", "app:z"), ("LMPOP", "1", "app:l", "LEFT"),
                 ("XADD", "app:s", "*", "f", "v"), ("XREAD", "STREAMS", "app:s", "0"), ("DEL", "app:1")]

        def fast():
            return int(server.info("debug")["fast_path_commands"])

        unrestricted, before = server.connect(), fast()
        unrestricted.pipeline(calls)
        usual, before = fast() - before, fast()
        c.pipeline(calls)
        assert usual >= 10
        assert fast() - before == usual

    def test_inside_multi_and_scripts(self, raw, user, server):
        c = user("+@all", "~app:*", "&*")
        script = "for i = 1, 10 do redis.call('set', KEYS[1], i) end return redis.call('get', KEYS[1])"
        sha = raw.ok("SCRIPT", "LOAD", script)
        calls = [("MULTI",), *[("SET", "app:1", "1")] * 10, ("EXEC",), ("EVALSHA", sha, "1", "app:1")]

        def fast(connection):
            before = int(server.info("debug")["fast_path_commands"])
            assert connection.pipeline(calls)[-1] == b"10"
            return int(server.info("debug")["fast_path_commands"]) - before

        assert fast(c) == fast(server.connect()) >= 22


class TestWhoWaits:
    def test_is_asked_again_when_served(self, raw, user, another):
        c = user("+@all", "~a*")
        c.send("BLPOP", "a", "0")
        wait_until(lambda: b"flags=b" in raw("CLIENT", "LIST"))
        raw.ok("ACL", "SETUSER", "u", "-blpop")
        assert raw("LPUSH", "a", "x") == 1
        assert c.read() == cannot("blpop")
        assert raw("LRANGE", "a", "0", "-1") == [b"x"]

    def test_keys_too(self, raw, user):
        c = user("+@all", "~a*")
        c.send("BLMOVE", "a", "a2", "LEFT", "LEFT", "0")
        wait_until(lambda: b"flags=b" in raw("CLIENT", "LIST"))
        raw.ok("ACL", "SETUSER", "u", "resetkeys", "%R~a*")
        raw.ok("LPUSH", "a", "x")
        assert c.read() == NO_KEY
        raw.ok("ACL", "SETUSER", "u", "~a*")
        assert c("LPOP", "a") == b"x"

    def test_goes_with_its_user(self, raw, user):
        c = user("+@all", "~a*")
        c.send("BLPOP", "a", "0")
        wait_until(lambda: b"flags=b" in raw("CLIENT", "LIST"))
        assert raw("ACL", "DELUSER", "u") == 1
        assert c.is_closed()
        wait_until(lambda: b"flags=b" not in raw("CLIENT", "LIST"))


class TestSubscribers:
    @pytest.mark.parametrize(("rules", "stays"), [
        (("+get",), True), (("resetchannels", "&a", "&p*"), True), (("&b",), True), (("allchannels",), True),
        (("resetchannels", "&a"), False), (("resetchannels",), False), (("resetchannels", "(+get &a &p*)"), True),
        (("reset", "on"), False), (("resetchannels", "&p*"), False), (("resetchannels", "&*a", "&p*"), True),
    ])  # fmt: skip
    def test_go_when_a_rule_takes_their_channel(self, raw, user, rules, stays):
        c = user("+@all", "&a", "&p*", "&s")
        c.pipeline([("SUBSCRIBE", "a"), ("PSUBSCRIBE", "p*")])
        raw.ok("ACL", "SETUSER", "u", *rules)
        if not stays:
            assert c.is_closed()
            return
        raw.ok("PUBLISH", "a", "x")
        assert c.read() == [b"message", b"a", b"x"]

    def test_of_shard_channels(self, raw, user):
        c = user("+@all", "&s")
        c.ok("SSUBSCRIBE", "s")
        raw.ok("ACL", "SETUSER", "u", "resetchannels", "&t")
        assert c.is_closed()

    def test_of_other_users_stay(self, raw, user, another):
        other = another()
        other.ok("SUBSCRIBE", "a")
        c = user("+@all", "allchannels")
        c.ok("SUBSCRIBE", "a")
        raw.ok("ACL", "SETUSER", "u", "resetchannels")
        assert c.is_closed()
        raw.ok("PUBLISH", "a", "x")
        assert other.read() == [b"message", b"a", b"x"]


class TestConnections:
    def test_reset_makes_it_the_default_user(self, raw, user):
        c = user("+reset")
        assert c("GET", "k") == cannot("get")
        assert c("RESET") == Status("RESET")
        assert c("ACL", "WHOAMI") == b"default"
        assert c("GET", "k") is None

    def test_migrate_as_a_user(self, raw, new_server):
        target = new_server()
        there = target.connect()
        there.ok("ACL", "SETUSER", "mover", "on", ">p", "+restore", "+select", "~a*")
        raw.ok("MSET", "a", "1", "b", "2")
        assert raw("MIGRATE", target.host, target.port, "a", "0", "5000", "AUTH2", "mover", "p") == OK
        assert there("GET", "a") == b"1"
        refused = raw("MIGRATE", target.host, target.port, "b", "0", "5000", "AUTH2", "mover", "p")
        assert refused.text.startswith("ERR Target instance replied with error: NOPERM")
        assert raw("GET", "b") == b"2"
        assert raw("MIGRATE", target.host, target.port, "b", "0", "5000", "AUTH2", "mover", "q").code == "ERR"

    def test_a_replica_as_a_user(self, new_server):
        master = new_server()
        m = master.connect()
        m.ok("ACL", "SETUSER", "repl", "on", ">p", "+psync", "+replconf", "+ping")
        m.ok("ACL", "SETUSER", "writer", "on", ">w", "+set", "~*")
        m.ok("CONFIG", "SET", "requirepass", "other")
        replica = new_server(replicaof=f"{master.host} {master.port}", masteruser="repl", masterauth="p")
        writer = master.connect()
        writer.ok("AUTH", "writer", "w")
        writer.ok("SET", "k", "v")
        r = replica.connect()
        wait_until(lambda: r("GET", "k") == b"v")
        assert r("ACL", "USERS") == [b"default"], "users are not replicated"
        assert b"user=(superuser)" in r("CLIENT", "LIST", "TYPE", "master")
        assert b"user=repl" in m("CLIENT", "LIST", "TYPE", "replica")
        r.ok("ACL", "SETUSER", "default", "-set", "-get")
        writer.ok("SET", "k", "w")
        r.ok("ACL", "SETUSER", "default", "+get")
        wait_until(lambda: r("GET", "k") == b"w")

    def test_the_append_only_file_is_not_asked(self, new_server):
        users = "user default on nopass +@all -set ~*\nuser writer on nopass +set ~*"
        server = new_server(appendonly=True, config=users)
        c = server.connect()
        c.ok("AUTH", "writer", "")
        c.ok("SET", "k", "v")
        server.restart()
        c = server.connect()
        assert c("SET", "k", "w").code == "NOPERM"
        assert c("GET", "k") == b"v"
