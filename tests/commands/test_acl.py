"""ACL: users, their rules, and what is told of them."""

import hashlib

import pytest

from tests.support.resp import Connection, RespError, RespSet, Status

OK = Status("OK")
HASH_OF_P = hashlib.sha256(b"p").hexdigest().encode()


def rules_of(c: Connection, name: str) -> dict[bytes, object]:
    flat = c("ACL", "GETUSER", name)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def commands_of(c: Connection, *rules: str) -> object:
    c.ok("ACL", "SETUSER", "u", "reset", *rules)
    return rules_of(c, "u")[b"commands"]


def refused(c: Connection, *rules: str) -> str:
    """Why rules are refused; nothing of them is applied."""
    c.ok("ACL", "SETUSER", "u", "reset", "on", "nopass", "+get", "~a")
    before = c("ACL", "LIST")
    error = c("ACL", "SETUSER", "u", *rules)
    assert isinstance(error, RespError)
    assert c("ACL", "LIST") == before
    return str(error)


class TestSetUser:
    def test_a_new_user_may_do_nothing(self, raw):
        raw.ok("ACL", "SETUSER", "u")
        assert raw("ACL", "LIST") == [b"user default on nopass sanitize-payload ~* &* +@all",
                                      b"user u off sanitize-payload resetchannels -@all"]
        assert rules_of(raw, "u") == {
            b"flags": [b"off", b"sanitize-payload"], b"passwords": [], b"commands": b"-@all", b"keys": b"",
            b"channels": b"", b"selectors": [],
        }
        assert raw("ACL", "GETUSER", "nobody") is None

    def test_getuser_in_resp3(self, raw3):
        raw3.ok("ACL", "SETUSER", "u", "on", "~a", "(+get %R~b)")
        user = raw3("ACL", "GETUSER", "u")
        assert user[b"flags"] == RespSet([b"on", b"sanitize-payload"])
        assert user[b"selectors"] == [{b"commands": b"-@all +get", b"keys": b"%R~b", b"channels": b""}]

    def test_flags_and_passwords(self, raw):
        raw.ok("ACL", "SETUSER", "u", "ON", ">p", "#" + "0" * 64, ">p", "skip-sanitize-payload")
        assert raw("ACL", "LIST")[1] == (b"user u on skip-sanitize-payload #" + HASH_OF_P + b" #" + b"0" * 64
                                         + b" resetchannels -@all")
        raw.ok("ACL", "SETUSER", "u", "<p", "!" + "0" * 64, "sanitize-payload", "off", "nopass", "")
        assert rules_of(raw, "u")[b"flags"] == [b"off", b"nopass", b"sanitize-payload"]
        raw.ok("ACL", "SETUSER", "u", ">p")
        assert rules_of(raw, "u")[b"flags"] == [b"off", b"sanitize-payload"]
        raw.ok("ACL", "SETUSER", "u", "resetpass")
        assert rules_of(raw, "u")[b"passwords"] == []

    def test_keys(self, raw):
        raw.ok("ACL", "SETUSER", "u", "~a*", "%R~b", "%w~b", "%rW~c", "%W~d", "~a*", "%R~e")
        assert rules_of(raw, "u")[b"keys"] == b"~a* ~b ~c %W~d %R~e"
        raw.ok("ACL", "SETUSER", "u", "allkeys")
        assert rules_of(raw, "u")[b"keys"] == b"~*"
        raw.ok("ACL", "SETUSER", "u", "resetkeys")
        assert rules_of(raw, "u")[b"keys"] == b""
        raw.ok("ACL", "SETUSER", "u", "%RW~*")
        assert rules_of(raw, "u")[b"keys"] == b"~*"
        raw.ok("ACL", "SETUSER", "u", "~x")
        assert rules_of(raw, "u")[b"keys"] == b"~* ~x", "a pattern that happens to be all is no flag"

    def test_channels(self, raw, configure):
        raw.ok("ACL", "SETUSER", "u", "&a", "&b*", "&a")
        assert rules_of(raw, "u")[b"channels"] == b"&a &b*"
        raw.ok("ACL", "SETUSER", "u", "allchannels")
        assert rules_of(raw, "u")[b"channels"] == b"&*"
        configure("acl-pubsub-default", "allchannels")
        raw.ok("ACL", "SETUSER", "v", "on")
        assert raw("ACL", "LIST")[2] == b"user v on sanitize-payload &* -@all"
        raw.ok("ACL", "SETUSER", "v", "resetchannels")
        raw.ok("ACL", "SETUSER", "v", "reset", "(+get)")
        assert raw("ACL", "LIST")[2] == b"user v off sanitize-payload &* -@all (&* -@all +get)"

    def test_commands_are_shown_as_they_were_set(self, raw):
        assert commands_of(raw, "+GET", "+@Read", "-config|GET") == b"-@all +get +@read -config|get"
        assert commands_of(raw, "+@all", "-get", "-@set") == b"+@all -get -@set"
        assert commands_of(raw, "+get", "-set", "+get") == b"-@all -set +get", "the latest stands last"
        assert commands_of(raw, "+config|get", "+config|set", "-config") == b"-@all -config"
        assert commands_of(raw, "+config", "-config|get") == b"-@all +config -config|get"
        assert commands_of(raw, "+get", "+@all", "-set", "nocommands") == b"-@all"
        assert commands_of(raw, "+get", "allcommands") == b"+@all"
        assert commands_of(raw, "+select|0", "+SELECT|1", "+select|0") == b"-@all +select|1 +select|0"
        assert commands_of(raw, "+select|0", "-select") == b"-@all -select"

    def test_selectors(self, raw):
        raw.ok("ACL", "SETUSER", "u", "(+get ~a)", "(+set", "%W~b", "&c)", "()")
        assert raw("ACL", "LIST")[1] == (
            b"user u off sanitize-payload resetchannels -@all (~a resetchannels -@all +get)"
            b" (%W~b resetchannels &c -@all +set) (resetchannels -@all)")
        raw.ok("ACL", "SETUSER", "u", "clearselectors")
        assert rules_of(raw, "u")[b"selectors"] == []

    def test_reset(self, raw):
        raw.ok("ACL", "SETUSER", "u", "on", ">p", "~a", "&b", "+get", "(+set ~c)", "skip-sanitize-payload")
        raw.ok("ACL", "SETUSER", "u", "reset")
        assert raw("ACL", "LIST")[1] == b"user u off sanitize-payload resetchannels -@all"

    @pytest.mark.parametrize(("rules", "reason"), [
        (["+nosuch"], "'+nosuch': Unknown command or category name in ACL"),
        (["+@nosuch"], "'+@nosuch': Unknown command or category name in ACL"),
        (["+config|nosuch"], "'+config|nosuch': Unknown command or category name in ACL"),
        (["-select|0"], "'-select|0': Unknown command or category name in ACL"),
        (["+select|"], "'+select|': Syntax error"),
        (["+config|get|x"], "'+config|get|x': Allowing first-arg of a subcommand is not supported"),
        (["nonsense"], "'nonsense': Syntax error"),
        (["%~a"], "'%~a': Syntax error"),
        (["%X~a"], "'%X~a': Syntax error"),
        (["%RR~a"], "'%RR~a': Syntax error"),
        (["~a b"], "'~a b': Syntax error"),
        (["&a b"], "'&a b': Syntax error"),
        (["~*", "~a"], "'~a': Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not "
                       "have any effect. Try 'resetkeys' to start with an empty list of patterns"),
        (["&*", "&a"], "'&a': Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does "
                       "not have any effect. Try 'resetchannels' to start with an empty list of channels"),
        (["#abc"], "'#abc': The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
                   "characters"),
        (["#" + "A" * 64], "'#" + "A" * 64 + "': The password hash must be exactly 64 characters and contain only "
                           "lowercase hexadecimal characters"),
        (["<p"], "'<p': The password you are trying to remove from the user does not exist"),
        (["+get", "(+nosuch)"], "'(+nosuch)': Unknown command or category name in ACL"),
        (["(on)"], "'(on)': Syntax error"),
    ])  # fmt: skip
    def test_refused(self, raw, rules, reason):
        assert refused(raw, "+set", *rules) == f"ERR Error in ACL SETUSER modifier {reason}"

    def test_parentheses_that_do_not_close(self, raw):
        assert refused(raw, "+set", "(+get", "~a") == (
            "ERR Unmatched parenthesis in acl selector starting at '(+get'.")

    def test_names(self, raw, another):
        for name in ("a b", "a\0b", "a\n"):
            assert raw("ACL", "SETUSER", name) == RespError("ERR Usernames can't contain spaces or null characters")
        raw.ok("ACL", "SETUSER", "", "on")
        raw.ok("ACL", "SETUSER", b"\xff(x)", "on", "nopass")
        assert raw("ACL", "USERS") == [b"", b"default", b"\xff(x)"]
        raw.ok("AUTH", b"\xff(x)", "anything")
        assert raw("ACL", "WHOAMI") == RespError(
            "NOPERM User \udcff(x) has no permissions to run the 'acl|whoami' command")
        raw.ok("AUTH", "default", "")
        raw.ok("ACL", "SETUSER", b"\xff(x)", "+@all")
        another().ok("AUTH", b"\xff(x)", "")
        assert b" user=\xff(x) " in raw("CLIENT", "LIST")
        assert raw("ACL", "LOG", "1")[0][9] == b"\xff(x)"


class TestDeleteUsers:
    def test_clients_of_a_deleted_user_go(self, raw, another):
        raw.ok("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*")
        raw.ok("ACL", "SETUSER", "v", "on", "nopass", "+@all", "~*")
        u, v = another(), another()
        u.ok("AUTH", "u", "x")
        v.ok("AUTH", "v", "x")
        assert raw("ACL", "DELUSER", "u", "nobody") == 1
        assert u.is_closed()
        assert v("ACL", "WHOAMI") == b"v"
        assert raw("ACL", "USERS") == [b"default", b"v"]

    def test_who_deletes_itself_gets_the_reply(self, raw, another):
        raw.ok("ACL", "SETUSER", "u", "on", "nopass", "+@all")
        u = another()
        u.ok("AUTH", "u", "x")
        assert u("ACL", "DELUSER", "u") == 1
        assert u.is_closed()

    def test_the_default_user_stays(self, raw):
        raw.ok("ACL", "SETUSER", "u")
        assert raw("ACL", "DELUSER", "u", "default") == RespError("ERR The 'default' user cannot be removed")
        assert raw("ACL", "USERS") == [b"default", b"u"]


class TestSmallCommands:
    def test_cat(self, both):
        both("ACL", "CAT")
        both("ACL", "CAT", "HASH", unordered=True)
        both("ACL", "CAT", "sortedset", unordered=True)
        both("ACL", "CAT", "nosuch", code_only=True)
        both("ACL", "CAT", "a", "b")

    def test_cat_says_what_command_info_says(self, raw):
        for category in raw("ACL", "CAT"):
            for name in raw("ACL", "CAT", category):
                (found,) = raw("COMMAND", "INFO", name)
                assert f"@{category.decode()}" in [str(flag) for flag in found[6]], name
        assert b"config|get" in raw("ACL", "CAT", "admin")
        assert raw("ACL", "CAT", "nosuch") == RespError("ERR Unknown category 'nosuch'")

    def test_genpass(self, raw):
        assert len(raw("ACL", "GENPASS")) == 64
        assert [len(raw("ACL", "GENPASS", bits)) for bits in (1, 4, 5, 9, 4096)] == [1, 1, 2, 3, 1024]
        assert raw("ACL", "GENPASS") != raw("ACL", "GENPASS")
        for bits in (0, -1, 4097):
            assert raw("ACL", "GENPASS", bits) == RespError(
                "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to "
                "4096")
        assert raw("ACL", "GENPASS", "x") == RespError("ERR value is not an integer or out of range")

    def test_whoami(self, raw):
        assert raw("ACL", "WHOAMI") == b"default"

    def test_wrong_forms(self, both):
        both("ACL")
        both("ACL", "NOSUCH")
        both("ACL", "WHOAMI", "x")
        both("ACL", "SETUSER")
        both("ACL", "DRYRUN", "default")
        both("ACL", "LOG", "1", "2")
        both("ACL", "LOG", "x")
        both("ACL", "GENPASS", "1", "2")
        both("ACL", "LOAD")
        both("ACL", "SAVE")

    def test_help(self, raw):
        text = raw("ACL", "HELP")
        named = {line.split()[0].lower() for line in map(str, text[1:]) if not line.startswith(" ")}
        (info,) = raw("COMMAND", "INFO", "acl")
        assert {sub[0].decode().split("|")[1] for sub in info[9]} == named


class TestDryRun:
    def test_says_why_not(self, raw):
        raw.ok("ACL", "SETUSER", "u", "+@all", "-flushall", "~a*", "&c", "-config|set")

        def says(*call):
            return raw("ACL", "DRYRUN", "u", *call)

        assert says("GET", "a1") == OK
        assert says("get", "b1") == b"User u has no permissions to access the 'b1' key"
        assert says("MGET", "a1", "b2", "b1") == b"User u has no permissions to access the 'b2' key"
        assert says("FLUSHALL") == b"User u has no permissions to run the 'flushall' command"
        assert says("CONFIG", "SET", "a", "b") == b"User u has no permissions to run the 'config|set' command"
        assert says("PUBLISH", "d", "x") == b"User u has no permissions to access the 'd' channel"
        assert says("NOSUCH") == RespError("ERR Command 'NOSUCH' not found")
        assert says("CONFIG", "NOSUCH", "x") == RespError("ERR Command 'CONFIG' not found")
        assert says("CONFIG") == RespError("ERR wrong number of arguments for 'config' command")
        assert says("GET") == RespError("ERR wrong number of arguments for 'get' command")
        assert raw("ACL", "DRYRUN", "nobody", "GET", "a") == RespError("ERR User 'nobody' not found")
        assert raw("EXISTS", "a1") == 0
        assert raw("ACL", "LOG") == [], "to ask is no refusal"


class TestAuth:
    def test_as_a_user(self, raw, another):
        raw.ok("ACL", "SETUSER", "u", "on", ">p", ">q", "+acl|whoami", "+hello")
        c = another()
        assert c("AUTH", "u", "wrong") == RespError("WRONGPASS invalid username-password pair or user is disabled.")
        assert c("ACL", "WHOAMI") == b"default"
        c.ok("AUTH", "u", "q")
        assert c("ACL", "WHOAMI") == b"u"
        assert c("GET", "k") == RespError("NOPERM User u has no permissions to run the 'get' command")
        assert c("HELLO", 3, "AUTH", "default", "")[b"proto"] == 3
        assert c("ACL", "WHOAMI") == b"default"
        raw.ok("ACL", "SETUSER", "u", "off")
        assert c("AUTH", "u", "p").code == "WRONGPASS"
        raw.ok("ACL", "SETUSER", "u", "on", "nopass")
        c.ok("AUTH", "u", "whatever")
        raw.ok("ACL", "SETUSER", "u", "resetpass")
        assert another()("AUTH", "u", "whatever").code == "WRONGPASS"
        assert c("ACL", "WHOAMI") == b"u", "who is in stays in"

    def test_a_default_user_that_may_not_come_in(self, raw, another):
        raw.ok("ACL", "SETUSER", "u", "on", ">p", "+@all", "~*")
        raw.ok("ACL", "SETUSER", "default", "off")
        c = another()
        assert c("GET", "k") == RespError("NOAUTH Authentication required.")
        assert raw("GET", "k") is None, "who was in stays in"
        c.ok("AUTH", "u", "p")
        assert c("GET", "k") is None
        raw.ok("ACL", "SETUSER", "default", "on")
        c = another()
        assert c("GET", "k") is None

    def test_requirepass_is_the_default_users_password(self, raw, configure, another):
        configure("requirepass", "p")
        assert raw("ACL", "LIST") == [b"user default on sanitize-payload #" + HASH_OF_P + b" ~* &* +@all"]
        stranger = another()
        assert stranger("GET", "k").code == "NOAUTH"
        raw.ok("ACL", "SETUSER", "default", "nopass")
        assert stranger("GET", "k") is None, "nobody needs to say any more who it is"
        configure("requirepass", "")
        assert raw("ACL", "LIST") == [b"user default on nopass sanitize-payload ~* &* +@all"]

    def test_client_list_and_kill_know_users(self, raw, another):
        raw.ok("ACL", "SETUSER", "u", "on", "nopass", "+@all")
        c = another()
        c.ok("AUTH", "u", "")
        assert b"user=u " in raw("CLIENT", "LIST")
        assert raw("CLIENT", "KILL", "USER", "u") == 1
        assert c.is_closed()
        assert raw("CLIENT", "KILL", "USER", "nobody") == RespError("ERR No such user 'nobody'")


class TestLog:
    def entries(self, c, *words):
        return [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in c("ACL", "LOG", *words)]

    @pytest.fixture
    def user(self, raw, another):
        raw.ok("ACL", "LOG", "RESET")
        raw.ok("ACL", "SETUSER", "u", "on", ">p", "+@all", "-set", "~a*", "&c")
        c = another()
        c.ok("AUTH", "u", "p")
        return c

    def test_what_was_refused(self, raw, user):
        for call in (("GET", "b"), ("SET", "a", "1"), ("PUBLISH", "d", "x"), ("GET", "b"), ("AUTH", "u", "secret")):
            assert isinstance(user(*call), RespError)
        found = self.entries(raw)
        assert [(e[b"count"], e[b"reason"], e[b"context"], e[b"object"], e[b"username"]) for e in found] == [
            (1, b"auth", b"toplevel", b"AUTH", b"u"),
            (2, b"key", b"toplevel", b"b", b"u"),
            (1, b"channel", b"toplevel", b"d", b"u"),
            (1, b"command", b"toplevel", b"set", b"u"),
        ]
        assert [e[b"entry-id"] - found[1][b"entry-id"] for e in found] == [3, 0, 2, 1]
        assert b"user=u" in found[0][b"client-info"]
        assert b"secret" not in repr(found).encode()
        assert len(self.entries(raw, 2)) == 2
        assert self.entries(raw, -1) == []
        raw.ok("ACL", "LOG", "reset")
        assert self.entries(raw) == []

    def test_contexts(self, raw, user):
        user.ok("MULTI")
        assert user("SET", "a", "1").code == "NOPERM"
        assert user("EXEC").code == "EXECABORT"
        assert user("EVAL", "return redis.call('get', 'b')", 0).code == "ERR"
        assert [(e[b"context"], e[b"object"]) for e in self.entries(raw)] == [(b"lua", b"b"), (b"multi", b"set")]
        assert b"cmd=eval" in self.entries(raw)[0][b"client-info"]

    def test_length(self, raw, user, configure):
        configure("acllog-max-len", 2)
        for key in ("b", "c", "d"):
            user("GET", key)
        assert [e[b"object"] for e in self.entries(raw)] == [b"d", b"c"]
        configure("acllog-max-len", 0)
        user("GET", "e")
        assert self.entries(raw) == []

    def test_counters_of_info(self, raw, server, user):
        def counted():
            stats = server.info("stats")
            return [int(stats[f"acl_access_denied_{name}"]) for name in ("auth", "cmd", "key", "channel")]

        before = counted()
        for call in (("AUTH", "x", "y"), ("SET", "a", "1"), ("GET", "b"), ("GET", "b"), ("SUBSCRIBE", "x")):
            user(*call)
        after = counted()
        assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 2, 1]
        raw.ok("CONFIG", "RESETSTAT")
        assert counted() == after, "as in Redis"

    def test_info_tells_who_was_refused_what(self, raw, server, user):
        raw.ok("CONFIG", "RESETSTAT")
        for call in (("AUTH", "a stranger", "y"), ("SET", "a", "1"), ("GET", "b"), ("GET", "b"), ("SUBSCRIBE", "x")):
            user(*call)
        told = server.info("acl")
        assert sorted(told[name] for name in told if name.startswith("acl_denied")) == [
            "user=no such user,auth=1,cmd=0,key=0,channel=0", "user=u,auth=0,cmd=1,key=2,channel=1",
        ]  # fmt: skip
        assert told["acl_users"] == "2"
        raw.ok("CONFIG", "RESETSTAT")
        assert server.info("acl") == {"acl_users": "2"}


class TestSecrets:
    def test_no_password_is_shown(self, raw, another, configure):
        configure("slowlog-log-slower-than", 0)
        raw.ok("SLOWLOG", "RESET")
        watcher = another()
        watcher.ok("MONITOR")
        raw.ok("ACL", "SETUSER", "u", "on", ">hidden", "+@all")
        raw("ACL", "SETUSER", "u", "<hidden2")
        raw.ok("AUTH", "u", "hidden")
        raw("AUTH", "hidden")
        raw("HELLO", "3", "AUTH", "u", "hidden")
        raw("PING", "last")
        shown = []
        while not shown or b"last" not in shown[-1]:
            shown.append(str(watcher.read()).encode())
        assert b"hidden" not in b"".join(shown)
        assert b"(redacted)" in b"".join(shown)
        assert b"hidden" not in repr(another()("SLOWLOG", "GET", -1)).encode()
