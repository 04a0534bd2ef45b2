"""CLIENT and its subcommands, and the limits on clients, through the socket."""

import threading

import pytest

from tests.support.pace import patience
from tests.support.resp import NullArray, RespError, Status, Verbatim
from tests.support.server import wait_until

FIELDS = [
    "id", "addr", "laddr", "fd", "name", "age", "idle", "flags", "db", "sub", "psub", "ssub", "multi", "qbuf",
    "qbuf-free", "argv-mem", "multi-mem", "rbs", "rbp", "obl", "oll", "omem", "tot-mem", "events", "cmd", "user",
    "redir", "resp", "lib-name", "lib-ver",
]


def fields(line: bytes) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in line.decode().rstrip("\n").split(" "))


def lines(connection, *options) -> list[dict[str, str]]:
    return [fields(line) for line in connection.ok("CLIENT", "LIST", *options).splitlines()]


@pytest.fixture
def raw(raw):
    """Alone on the server: what connections before it left behind is gone."""
    wait_until(lambda: len(lines(raw)) == 1)
    return raw


class TestList:
    def test_a_line(self, raw, server):
        text = raw("CLIENT", "INFO")
        assert text.endswith(b"\n")
        mine = fields(text)
        assert list(mine) == FIELDS
        assert int(mine["id"]) == raw("CLIENT", "ID")
        assert mine["addr"] == "{}:{}".format(*raw.socket.getsockname())
        assert mine["laddr"] == f"127.0.0.1:{server.port}"
        assert (mine["flags"], mine["db"], mine["multi"], mine["cmd"], mine["user"], mine["resp"]) == (
            "N", "0", "-1", "client|info", "default", "2")
        assert (mine["qbuf"], mine["argv-mem"], mine["omem"], mine["events"]) == ("26", "10", "0", "r")
        assert (mine["redir"], mine["lib-name"], mine["lib-ver"]) == ("-1", "", "")

    def test_everybody_by_id(self, raw, another):
        raw.ok("CLIENT", "SETNAME", "first")
        another().ok("CLIENT", "SETNAME", "second")
        assert [line["name"] for line in lines(raw)] == ["first", "second"]

    def test_verbatim_in_resp3(self, raw3):
        text = raw3("CLIENT", "LIST")
        assert isinstance(text, Verbatim) and text.format == "txt"

    def test_filters(self, raw, another):
        listener = another()
        listener.ok("SUBSCRIBE", "a")
        ids = [line["id"] for line in lines(raw)]
        assert [line["id"] for line in lines(raw, "TYPE", "pubsub")] == ids[1:]
        assert [line["id"] for line in lines(raw, "TYPE", "NORMAL")] == ids[:1]
        assert lines(raw, "TYPE", "master") == lines(raw, "TYPE", "slave") == []
        assert [line["id"] for line in lines(raw, "ID", ids[1], "123456789", ids[0])] == [ids[1], ids[0]]
        assert lines(raw, "ID", ids[1])[0]["flags"] == "P"

    def test_errors(self, both):
        both("CLIENT")
        both("CLIENT", "LIST", "TYPE")
        both("CLIENT", "LIST", "TYPE", "nosuch")
        both("CLIENT", "LIST", "ID")
        both("CLIENT", "LIST", "ID", "x")
        both("CLIENT", "LIST", "FOO", "bar")
        both("CLIENT", "INFO", "x")
        both("CLIENT", "ID", "x")
        both("CLIENT", "NOSUCH")

    def test_what_a_client_listens_to(self, raw, another):
        listener = another(protocol=3)
        for command in (("SUBSCRIBE", "a"), ("SUBSCRIBE", "b"), ("PSUBSCRIBE", "p"), ("SSUBSCRIBE", "s")):
            listener.send(*command)
            listener.read()
        line = lines(raw, "TYPE", "pubsub")[0]
        assert (line["sub"], line["psub"], line["ssub"], line["resp"]) == ("2", "1", "1", "3")


class TestNames:
    def test_setname(self, both):
        both("CLIENT", "GETNAME")
        both("CLIENT", "SETNAME", "bob")
        both("CLIENT", "GETNAME")
        both("CLIENT", "SETNAME", "with space")
        both("CLIENT", "SETNAME", "new\nline")
        both("CLIENT", "SETNAME", b"\xc3\xa4")
        both("CLIENT", "GETNAME")
        both("CLIENT", "SETNAME", "")
        both("CLIENT", "GETNAME")

    def test_setinfo(self, raw):
        assert raw("CLIENT", "SETINFO", "LIB-NAME", "remus-py") == Status("OK")
        assert raw("CLIENT", "SETINFO", "lib-ver", "1.2.3") == Status("OK")
        mine = fields(raw("CLIENT", "INFO"))
        assert (mine["lib-name"], mine["lib-ver"]) == ("remus-py", "1.2.3")
        assert raw("CLIENT", "SETINFO", "lib-name", "a b") == RespError(
            "ERR lib-name cannot contain spaces, newlines or special characters.")
        assert raw("CLIENT", "SETINFO", "lib-nosuch", "a") == RespError("ERR Unrecognized option 'lib-nosuch'")
        assert raw("CLIENT", "SETINFO", "lib\rname", "a") == RespError("ERR Unrecognized option 'lib name'")
        raw.ok("CLIENT", "SETINFO", "lib-name", "")
        assert fields(raw("CLIENT", "INFO"))["lib-name"] == ""


class TestKill:
    def test_by_address(self, raw, another):
        other = another()
        other("PING")  # the server knows it by now
        address = "{}:{}".format(*other.socket.getsockname())
        assert raw("CLIENT", "KILL", address) == Status("OK")
        assert len(lines(raw)) == 1, "gone at once"
        assert other.is_closed()
        assert raw("CLIENT", "KILL", address) == RespError("ERR No such client")

    def test_by_filters(self, raw, another, server):
        others = [another() for _ in range(3)]
        ids = [other("CLIENT", "ID") for other in others]
        assert raw("CLIENT", "KILL", "ID", ids[0]) == 1
        assert raw("CLIENT", "KILL", "ID", ids[0]) == 0
        assert raw("CLIENT", "KILL", "ID", ids[1], "TYPE", "pubsub") == 0
        assert raw("CLIENT", "KILL", "USER", "default", "ADDR", "1.2.3.4:5") == 0
        assert raw("CLIENT", "KILL", "LADDR", f"127.0.0.1:{server.port}", "SKIPME", "yes") == 2
        assert all(other.is_closed() for other in others)

    def test_oneself(self, raw):
        assert raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") == 1
        assert raw.is_closed()

    def test_errors(self, both):
        both("CLIENT", "KILL")
        both("CLIENT", "KILL", "1.2.3.4:5")
        both("CLIENT", "KILL", "ID", "0")
        both("CLIENT", "KILL", "ID", "x")
        both("CLIENT", "KILL", "ID", "-1")
        both("CLIENT", "KILL", "TYPE", "nosuch")
        both("CLIENT", "KILL", "USER", "nosuch")
        both("CLIENT", "KILL", "SKIPME", "maybe")
        both("CLIENT", "KILL", "FOO", "bar")
        both("CLIENT", "KILL", "TYPE", "pubsub", "ID")
        both("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME")


class TestReply:
    def test_off_and_on(self, raw):
        raw.send("CLIENT", "REPLY", "OFF")
        raw.send("PING")
        raw.send("SET", "k", "v")
        assert raw("CLIENT", "REPLY", "ON") == Status("OK")
        assert raw("GET", "k") == b"v"

    def test_skip_is_for_one_command(self, raw):
        raw.send_raw(b"CLIENT REPLY SKIP\r\nSET k skipped\r\nGET k\r\n")
        assert raw.read() == b"skipped"
        assert raw("PING") == Status("PONG")

    def test_skip_twice_in_a_row(self, raw):
        raw.send_raw(b"CLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY SKIP\r\nPING\r\nECHO end\r\n")
        assert raw.read() == b"end"

    @pytest.mark.parametrize("how", ["in time", "too late", "by force", "of another type", "not any more"])
    def test_skip_is_for_what_a_command_waits_for(self, raw, another, how):
        other, seconds = another(), "0.01" if how == "too late" else "0"
        number = other.ok("CLIENT", "ID")
        other.send_raw(f"CLIENT REPLY SKIP\r\nBLMOVE l to LEFT LEFT {seconds}\r\nECHO end\r\nECHO more\r\n".encode())
        if how != "too late":
            wait_until(lambda: b"blocked_clients:1" in raw.ok("INFO", "clients"), "blocked")
        if how == "by force":
            assert raw("CLIENT", "UNBLOCK", number, "ERROR") == 1
        elif how == "not any more":
            raw.ok("ACL", "SETUSER", "default", "-blmove")
        elif how == "of another type":
            raw.ok("SET", "to", "1")
        raw.ok("RPUSH", "l", "1")
        try:
            assert other.read_many(2) == [b"end", b"more"]
        finally:
            raw.ok("ACL", "SETUSER", "default", "+@all")

    def test_skip_is_for_a_wait_that_waits(self, raw):
        raw.send_raw(b"SET k 1\r\nCLIENT REPLY SKIP\r\nWAIT 1 10\r\nECHO end\r\n")
        assert raw.read_many(2) == [Status("OK"), b"end"]

    def test_errors(self, both):
        both("CLIENT", "REPLY")
        both("CLIENT", "REPLY", "MAYBE")


class TestPause:
    @pytest.fixture(autouse=True)
    def unpaused(self, server):
        yield
        with server.connect() as connection:
            connection.ok("CLIENT", "UNPAUSE")

    def test_all_wait(self, raw, another):
        other = another()
        raw.ok("CLIENT", "PAUSE", str(round(patience(2000))), "ALL")
        other.send("PING")
        assert other.nothing_comes()
        raw.send("CLIENT", "UNPAUSE")
        assert raw.nothing_comes(), "whoever paused waits, too"
        assert other.read() == Status("PONG")
        assert raw.read() == Status("OK")

    def test_writes_wait(self, raw, another):
        writer, transaction = another(), another()
        raw.ok("SET", "p", "0")
        raw.ok("CLIENT", "PAUSE", "100000", "WRITE")
        assert another()("GET", "p") == b"0"
        writer.send("INCR", "p")
        transaction.ok("MULTI")
        transaction.send("SET", "q", "1")
        wait_until(lambda: len([line for line in lines(raw) if line["flags"] in ("b", "xb")]) == 2)
        assert raw("GET", "p") == b"0"
        assert raw("CLIENT", "UNPAUSE") == Status("OK")
        assert writer.read() == 1
        assert transaction.read() == Status("QUEUED")
        assert transaction("EXEC") == [Status("OK")]

    def test_it_ends_by_itself(self, raw):
        raw.ok("CLIENT", "PAUSE", "50")
        assert raw("PING") == Status("PONG")

    def test_a_pipeline_goes_on_in_order(self, raw, another):
        other = another()
        raw.ok("CLIENT", "PAUSE", "100", "WRITE")
        assert other.pipeline([("ECHO", "1"), ("SET", "o", "x"), ("GET", "o"), ("ECHO", "2")]) == [
            b"1", Status("OK"), b"x", b"2"]

    def test_a_waiting_client_may_leave(self, raw, another):
        raw.ok("CLIENT", "PAUSE", "100000", "WRITE")
        other = another()
        other.send("SET", "never", "1")
        wait_until(lambda: any(line["flags"] == "b" for line in lines(raw)))
        other.close()
        wait_until(lambda: len(lines(raw)) == 1)
        raw.ok("CLIENT", "UNPAUSE")
        assert raw("PING") == Status("PONG")

    def test_errors(self, both):
        both("CLIENT", "PAUSE")
        both("CLIENT", "PAUSE", "x")
        both("CLIENT", "PAUSE", "-1")
        both("CLIENT", "PAUSE", "1", "SOME")
        both("CLIENT", "PAUSE", "0")
        both("CLIENT", "UNPAUSE")
        assert both.ours("CLIENT", "PAUSE", "9223372036854775807") == RespError("ERR timeout is out of range")


class TestFastWay:
    """What one client asks for itself, and a pause of writes, send nobody's plain commands the slow way."""

    @pytest.fixture
    def taken(self, server):
        """How many commands took their fast path since the last look."""
        seen = 0

        def look():
            nonlocal seen
            before, seen = seen, int(server.info("debug")["fast_path_commands"])
            return seen - before

        look()
        return look

    def test_no_touch(self, raw, taken, configure):
        configure("maxmemory-policy", "allkeys-lfu")
        configure("lfu-log-factor", 0)
        raw.ok("SET", "k", "1")
        first = raw("OBJECT", "FREQ", "k")
        raw.ok("CLIENT", "NO-TOUCH", "ON")
        taken()
        assert raw.pipeline([("GET", "k"), ("INCR", "k"), ("EXISTS", "k"), ("GET", "k")]) == [b"1", 2, 1, b"2"]
        assert taken() == 4
        assert raw("OBJECT", "FREQ", "k") == first
        taken()
        assert raw("TOUCH", "k") == 1
        assert taken() == 1
        assert raw("OBJECT", "FREQ", "k") > first
        raw.ok("CLIENT", "NO-TOUCH", "OFF")
        touched = raw("OBJECT", "FREQ", "k")
        raw("GET", "k")
        assert raw("OBJECT", "FREQ", "k") > touched

    def test_no_evict(self, raw, taken):
        raw.ok("CLIENT", "NO-EVICT", "ON")
        taken()
        raw.ok("SET", "k", "1")
        assert raw("GET", "k") == b"1"
        assert taken() == 2

    def test_who_says_who_it_is(self, raw, another):
        def taken():
            return int(raw("INFO", "debug").split(b"fast_path_commands:")[1].split(b"\r")[0])

        raw.ok("CONFIG", "SET", "requirepass", "secret")
        try:
            stranger = another()
            before = taken()
            assert stranger("AUTH", "wrong").code == "WRONGPASS"
            assert stranger("GET", "k").code == "NOAUTH"
            stranger.ok("AUTH", "secret")
            stranger.ok("AUTH", "default", "secret")
            assert taken() - before == 3
        finally:
            raw.ok("CONFIG", "SET", "requirepass", "")

    def test_reply_off(self, raw, taken):
        raw.send_raw(b"CLIENT REPLY OFF\r\nSET k 1\r\nGET k\r\nINCR k\r\nCLIENT REPLY ON\r\n")
        assert raw.read() == Status("OK")
        assert taken() == 3
        assert raw("GET", "k") == b"2"

    def test_reply_off_and_large_values(self, raw, taken):
        raw.ok("SET", "k", b"v" * 300_000)
        raw.send_raw(b"CLIENT REPLY OFF\r\n" + b"GET k\r\n" * 10 + b"CLIENT REPLY ON\r\nSTRLEN k\r\n")
        assert raw.read() == Status("OK")
        assert raw.read() == 300_000
        assert taken() == 12

    def test_reply_skip(self, raw, taken):
        raw.send_raw(b"PING\r\nCLIENT REPLY SKIP\r\nSET k 1\r\nGET k\r\nCLIENT REPLY SKIP\r\nGET k\r\nPING\r\n")
        assert [raw.read() for _ in range(3)] == [Status("PONG"), b"1", Status("PONG")]
        assert taken() == 5

    def test_nothing_but_replies_is_kept_back(self, raw, another):
        """Messages come in spite of CLIENT REPLY OFF, whatever command they are made by."""
        raw("HELLO", "3")
        raw.send("SUBSCRIBE", "c")
        assert raw.read() == [b"subscribe", b"c", 1]
        raw.send_raw(b"CLIENT REPLY OFF\r\nPUBLISH c 1\r\nSET k 1\r\nPUBLISH c 2\r\nCLIENT REPLY ON\r\n")
        assert [raw.read() for _ in range(3)] == [[b"message", b"c", b"1"], [b"message", b"c", b"2"], Status("OK")]
        other = another()
        other("HELLO", "3")
        other.ok("CLIENT", "TRACKING", "ON")
        other.send_raw(b"GET k\r\nCLIENT REPLY OFF\r\nSET k 2\r\nCLIENT REPLY ON\r\n")
        assert [other.read() for _ in range(3)] == [b"1", [b"invalidate", [b"k"]], Status("OK")]

    def test_reads_while_writes_are_paused(self, raw, another, taken):
        raw.ok("SET", "k", "1")
        raw.ok("PFADD", "h", "a")
        raw.ok("CLIENT", "PAUSE", "100000", "WRITE")
        taken()
        reader = another()
        assert reader.pipeline([("GET", "k"), ("EXISTS", "k", "h"), ("PING",), ("STRLEN", "k")]) == [
            b"1", 2, Status("PONG"), 1]
        assert taken() == 4
        waiting = [another() for _ in range(3)]
        writes = (("SET", "k", "2"), ("PFCOUNT", "h"), ("PUBLISH", "c", "x"))
        for connection, command in zip(waiting, writes, strict=True):
            connection.send(*command)
        wait_until(lambda: len([line for line in lines(raw) if line["flags"] == "b"]) == 3)
        assert raw("GET", "k") == b"1"
        raw.ok("CLIENT", "UNPAUSE")
        assert [connection.read() for connection in waiting] == [Status("OK"), 1, 0]

    def test_a_pause_of_all_over_one_of_writes(self, raw, another):
        raw.ok("SET", "k", "1")
        raw.ok("CLIENT", "PAUSE", "1500", "WRITE")
        raw.ok("CLIENT", "PAUSE", "1500", "ALL")
        reader = another()
        reader.send("GET", "k")
        assert reader.nothing_comes()
        assert reader.read() == b"1"

    def test_keys_do_not_expire_while_writes_are_paused(self, raw, server):
        raw.ok("SET", "k", "1", "PX", "30")
        raw.ok("CLIENT", "PAUSE", "100000", "WRITE")
        wait_until(lambda: raw("GET", "k") is None)
        assert raw("DBSIZE") == 1
        raw.ok("CLIENT", "UNPAUSE")
        wait_until(lambda: raw("DBSIZE") == 0)


def test_switches(both):
    both("CLIENT", "NO-EVICT", "on")
    both("CLIENT", "NO-EVICT", "off")
    both("CLIENT", "NO-EVICT", "x")
    both("CLIENT", "UNBLOCK", "123456")
    both("CLIENT", "UNBLOCK", "x")
    both("CLIENT", "UNBLOCK", "1", "MAYBE")


def test_flags(raw, another):
    other = another()
    other.ok("CLIENT", "NO-EVICT", "on")
    other.ok("CLIENT", "NO-TOUCH", "on")
    other.ok("WATCH", "k")
    raw.ok("SET", "k", "1")
    other.ok("MULTI")
    assert lines(raw, "TYPE", "normal")[1]["flags"] == "xdeT"
    assert other("EXEC") is NullArray


class TestLimits:
    def test_maxclients(self, new_server):
        server = new_server(maxclients=2)
        first = server.connect()
        wait_until(lambda: len(lines(first)) == 1)
        second = server.connect()
        assert first("PING") == second("PING") == Status("PONG")
        assert server.connect().read_until_closed() == b"-ERR max number of clients reached\r\n"
        second.close()
        wait_until(lambda: len(lines(first)) == 1)
        assert server.connect()("PING") == Status("PONG")
        first.ok("CONFIG", "SET", "maxclients", "3")
        assert server.connect()("PING") == Status("PONG")

    def test_a_normal_client_over_its_hard_limit(self, raw, another, configure):
        configure("client-output-buffer-limit", "normal 100000 0 0")
        raw.ok("SET", "big", "x" * 50_000)
        other = another()
        assert other("GET", "big") == b"x" * 50_000
        other.ok("MULTI")
        for _ in range(3):
            other.ok("GET", "big")
        other.ok("SET", "after", "1")
        other.send("EXEC")
        assert other.is_closed()
        assert raw("GET", "after") == b"1", "the transaction ran to its end"

    def test_a_subscriber_that_does_not_read(self, raw, another, configure, server):
        configure("client-output-buffer-limit", "pubsub 100000 0 0")
        listener = another()
        listener.ok("SUBSCRIBE", "ch")
        for _ in range(2000):
            if raw("PUBLISH", "ch", "x" * 50_000) == 0:
                break
        assert lines(raw, "TYPE", "pubsub") == []
        server.wait_for_log("scheduled to be closed ASAP for overcoming of output buffer limits.")

    def test_client_eviction(self, raw, another, configure):
        raw.ok("CLIENT", "NO-EVICT", "on")
        other = another()
        other.ok("MULTI")
        configure("maxmemory-clients", "200kb")
        other.ok("SET", "k", "x" * 50_000)
        with pytest.raises(ConnectionError):
            for _ in range(10):
                other("SET", "k", "x" * 50_000)
        wait_until(lambda: len(lines(raw)) == 1)
        assert raw("PING") == Status("PONG")

    def test_idle_clients(self, raw, another, configure):
        listener, idle = another(), another()
        listener.ok("SUBSCRIBE", "ch")
        configure("timeout", "1")
        closed = threading.Event()
        threading.Thread(target=lambda: idle.is_closed() and closed.set(), daemon=True).start()
        wait_until(lambda: raw("PING") and closed.is_set())
        assert len(lines(raw)) == 2, "one that listens is not idle"
