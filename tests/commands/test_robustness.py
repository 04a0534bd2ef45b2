"""Clients that behave badly, and many of them: the others do not notice."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.support.resp import Connection, RespError, encode
from tests.support.server import Server, wait_until


@pytest.fixture(params=[1, 4], ids=["io-threads 1", "io-threads 4"])
def threaded(request: pytest.FixtureRequest, new_server: Callable[..., Server]) -> Server:
    """A server of the test's own, once with one I/O thread and once with four."""
    return new_server(io_threads=request.param)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Descriptors enough for thousands of connections, in this process and in its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("too few descriptors allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    spent = psutil.Process(pid).cpu_times()
    return spent.user + spent.system


def works(connection: Connection, rounds: int = 50) -> None:
    for i in range(rounds):
        assert connection("SET", "work", i) == "OK"
        assert connection("GET", "work") == str(i).encode()


# ---- clients that take their time
def test_one_that_sends_and_never_reads_is_no_longer_read(threaded):
    """Back-pressure: its replies stay in bounds, and so does what it can still send."""
    with threaded.connect() as other, threaded.connect() as greedy:
        other("SET", "big", b"x" * 100_000)
        greedy.socket.settimeout(0.3)
        request = encode("GET", "big") * 100
        sent = 0
        try:
            while sent < 2000:
                greedy.send_raw(request)
                sent += 100
        except TimeoutError:
            pass
        works(other)
        assert int(threaded.info("memory")["used_memory_rss"]) < 1 << 30


def test_one_that_never_reads_is_closed_at_its_output_limit(threaded):
    with threaded.connect() as other, threaded.connect() as greedy:
        other.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
        other.ok("SET", "big", b"x" * 100_000)
        greedy.ok("CLIENT", "SETNAME", "greedy")
        greedy.socket.settimeout(5)
        try:
            for _ in range(200):
                greedy.send_raw(encode("GET", "big") * 10)
        except OSError:
            pass
        threaded.wait_for_log("scheduled to be closed ASAP for overcoming of output buffer limits.")
        wait_until(lambda: b"name=greedy" not in other("CLIENT", "LIST"))
        works(other)


def test_a_subscriber_that_never_reads_is_closed_at_its_output_limit(threaded):
    with threaded.connect() as other, threaded.connect() as deaf:
        other.ok("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
        deaf("SUBSCRIBE", "c")
        message = b"x" * 100_000
        for _ in range(200):
            if other("PUBLISH", "c", message) == 0:
                break
        assert other("PUBLISH", "c", "x") == 0
        works(other)


def test_ones_that_open_and_say_nothing(threaded):
    silent = [threaded.connect() for _ in range(50)]
    with threaded.connect() as other:
        works(other)
    for connection in silent:
        assert connection("PING") == "PONG"


def test_one_that_drips_a_byte_at_a_time(threaded):
    request = encode("SET", "dripped", "value") + b"GET dripped\r\n"
    with threaded.connect() as other, threaded.connect() as dripping:
        for at in range(len(request)):
            dripping.send_raw(request[at:at + 1])
            assert other("PING") == "PONG"
        assert dripping.read_many(2) == ["OK", b"value"]


def test_one_that_reads_a_byte_at_a_time(threaded):
    with threaded.connect() as other, threaded.connect() as slow:
        other.ok("SET", "k", "x" * 200)
        slow.send("GET", "k")
        received = b""
        while len(received) < 208:
            received += slow.socket.recv(1)
            other("PING")
        assert received == b"$200\r\n" + b"x" * 200 + b"\r\n"


def test_one_with_a_request_of_megabytes_does_not_hold_up_the_others(threaded):
    value = b"v" * (8 << 20)
    with threaded.connect(timeout=30) as large, threaded.connect() as other:
        whole = encode("SET", "large", value)
        for at in range(0, len(whole), 1 << 18):
            large.send_raw(whole[at:at + (1 << 18)])
            works(other, 2)
        assert large.read() == "OK"
        assert large("STRLEN", "large") == len(value)
        assert large("GET", "large") == value


def test_a_query_buffer_has_a_limit(new_server):
    server = new_server(client_query_buffer_limit="1mb")
    with server.connect() as c, server.connect() as other:
        try:
            c.send_raw(b"*2\r\n$3\r\nGET\r\n$4000000\r\n" + b"x" * 3_000_000)
        except OSError:
            pass
        assert c.is_closed()
        server.wait_for_log("Closing client that reached max query buffer length")
        works(other)


# ---- many clients
def test_a_thousand_connections(threaded, many_files):
    connections = [Connection(threaded.port) for _ in range(1000)]
    try:
        for round_ in range(2):
            for i, connection in enumerate(connections):
                connection.send("SET", f"k{i}", f"{round_}-{i}")
                connection.send("GET", f"k{i}")
            for i, connection in enumerate(connections):
                assert connection.read_many(2) == ["OK", b"%d-%d" % (round_, i)]
        assert int(threaded.info("clients")["connected_clients"]) >= 1000
    finally:
        for connection in connections:
            connection.close()
    wait_until(lambda: int(threaded.info("clients")["connected_clients"]) < 5)


def test_one_too_many_is_told_so(threaded):
    with threaded.connect() as c:
        wait_until(lambda: b"connected_clients:1\r\n" in c("INFO", "clients"))     # who asked whether it is up has gone
        c.ok("CONFIG", "SET", "maxclients", 10)
        others = [threaded.connect() for _ in range(9)]
        with Connection(threaded.port) as refused:
            assert refused.read() == RespError("ERR max number of clients reached")
            assert refused.is_closed()
        assert all(other("PING") == "PONG" for other in others)
        assert b"rejected_connections:1\r\n" in c("INFO", "stats")
        others.pop().close()
        wait_until(lambda: b"connected_clients:9\r\n" in c("INFO", "clients"))
        with Connection(threaded.port) as welcome:
            assert welcome("PING") == "PONG"


def test_no_descriptor_left_for_a_connection(new_server):
    """EMFILE: those who are in are served on, and the next one gets in when somebody leaves."""
    server = new_server(maxclients=100)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (in_use(server.pid) + 3, 4096))
    inside = [Connection(server.port, timeout=2) for _ in range(3)]
    try:
        assert [c("PING") for c in inside] == ["PONG"] * 3
        with Connection(server.port, timeout=5) as waiting:
            waiting.send("PING")
            before = cpu_seconds(server.pid)
            server.wait_for_log("Error accepting a client connection: Too many open files")
            works(inside[0])
            inside.pop().close()
            assert waiting.read() == "PONG"
            assert cpu_seconds(server.pid) - before < 1.0, "it must not spin meanwhile"
    finally:
        for c in inside:
            c.close()


def in_use(pid: int) -> int:
    return psutil.Process(pid).num_fds()


def test_connections_that_come_and_go(threaded):
    before = in_use(threaded.pid)
    for _ in range(300):
        with Connection(threaded.port) as c:
            c.send("PING")
    wait_until(lambda: in_use(threaded.pid) <= before + 1)
    assert threaded.connect()("PING") == "PONG"


# ---- idle
def test_an_idle_server_uses_no_cpu(threaded):
    idle = [threaded.connect() for _ in range(200)]
    for c in idle:
        assert c("PING") == "PONG"
    before = cpu_seconds(threaded.pid)
    time.sleep(1.0)                        # the second that is measured
    assert cpu_seconds(threaded.pid) - before <= 0.1
    assert idle[-1]("PING") == "PONG"


# ---- io-threads changed under load
class Load(threading.Thread):
    """A client that counts its own key up in pipelines and checks every reply."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(daemon=True)
        self.connection = server.connect(timeout=20)
        self.key = name
        self.count = 0
        self.wrong: Any = None
        self.stop = False

    def run(self) -> None:
        try:
            while not self.stop:
                requests = [("INCR", self.key), ("ECHO", f"{self.key}:{self.count}"), ("GET", self.key)] * 20
                expected: list[Any] = []
                for _ in range(20):
                    self.count += 1
                    expected += [self.count, requests[1][1].encode(), b"%d" % self.count]
                replies = self.connection.pipeline(requests)
                if replies != expected:
                    self.wrong = (replies, expected)
                    return
        except Exception as error:
            self.wrong = error


def test_io_threads_change_under_load_and_no_reply_is_lost(new_server):
    server = new_server(io_threads=1)
    load = [Load(server, f"load{i}") for i in range(8)]
    idle = [server.connect() for _ in range(10)]
    for client in load:
        client.start()
    with server.connect(timeout=20) as c:
        for threads in (4, 2, 1, 3, 1, 4, 1, 2):
            counts = [client.count for client in load]
            assert c("CONFIG", "SET", "io-threads", threads) == "OK"
            assert c("CONFIG", "GET", "io-threads") == [b"io-threads", str(threads).encode()]
            wait_until(lambda counts=counts: all(
                client.count > before or client.wrong for client, before in zip(load, counts)))
            assert all(connection("PING") == "PONG" for connection in idle)
    for client in load:
        client.stop = True
    for client in load:
        client.join(20)
        assert client.wrong is None
        assert idle[0]("GET", client.key) == str(client.count).encode()


def test_the_main_thread_serves_clients_itself_while_it_has_time(new_server):
    server = new_server(io_threads=3, io_threads_always_active="no")
    idle = [server.connect() for _ in range(10)]
    load = Load(server, "load")
    with server.connect(timeout=20) as c:
        assert b"io_threads_active:0\r\n" in c("INFO", "server")
        c.ok("CONFIG", "SET", "io-threads-always-active", "yes")
        assert b"io_threads_active:1\r\n" in c("INFO", "server")
        load.start()
        wait_until(lambda: load.count > 100 or load.wrong)
        load.stop = True
        load.join(20)
        c.ok("CONFIG", "SET", "io-threads-always-active", "no")
        wait_until(lambda: b"io_threads_active:0\r\n" in c("INFO", "server"))      # now that there is nothing to do
        assert all(connection("PING") == "PONG" for connection in idle)
    assert load.wrong is None


def test_io_threads_change_while_a_client_waits_and_another_listens(new_server):
    server = new_server(io_threads=2)
    with server.connect() as c, server.connect() as blocked, server.connect() as listener:
        listener("SUBSCRIBE", "news")
        blocked.send("BLPOP", "list", 0)
        wait_until(lambda: b"blocked_clients:1\r\n" in c("INFO", "clients"))
        for threads in (1, 4, 2):
            c.ok("CONFIG", "SET", "io-threads", threads)
            assert c("PUBLISH", "news", threads) == 1
            assert listener.read() == [b"message", b"news", str(threads).encode()]
        c("RPUSH", "list", "x")
        assert blocked.read() == [b"list", b"x"]


def test_half_a_request_outlives_a_change_of_io_threads(new_server):
    server = new_server(io_threads=1)
    with server.connect() as c, server.connect() as half:
        request = encode("SET", "k", "v" * 50_000)
        for at, threads in zip(range(0, len(request), 10_100), (3, 1, 2, 4, 1), strict=True):
            half.send_raw(request[at:at + 10_100])
            c.ok("CONFIG", "SET", "io-threads", threads)
        assert half.read() == "OK"
        assert c("STRLEN", "k") == 50_000


def test_a_reset_in_the_middle_of_a_pipeline(threaded):
    with threaded.connect() as other:
        for _ in range(20):
            with Connection(threaded.port) as c:
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                c.send_raw(encode("INCR", "n") * 1000)
        works(other)
        wait_until(lambda: b"connected_clients:1\r\n" in other("INFO", "clients"))


# ---- what half-read requests cost
def fields(connection: Connection, name: str) -> dict[str, str] | None:
    """The CLIENT LIST line of a client of that name; None when there is none."""
    for line in connection("CLIENT", "LIST").decode().splitlines():
        shown = dict(pair.split("=", 1) for pair in line.split(" "))
        if shown["name"] == name:
            return shown
    return None


def query_of(connection: Connection, name: str) -> tuple[int, int]:
    """(qbuf, tot-mem) of a client."""
    shown = fields(connection, name)
    assert shown is not None
    return int(shown["qbuf"]), int(shown["tot-mem"])


def test_a_half_read_request_shows_in_client_list(threaded):
    with threaded.connect() as other, threaded.connect() as half:
        half("CLIENT", "SETNAME", "half")
        half.send_raw(b"*2\r\n$4\r\nECHO\r\n$1000000\r\n" + b"x" * 600_000)
        wait_until(lambda: query_of(other, "half")[0] == 600_000)
        assert query_of(other, "half")[1] > 1_000_000, "room for the whole argument is made at once"
        half.send_raw(b"x" * 400_000 + b"\r\n")
        assert half.read() == b"x" * 1_000_000
        wait_until(lambda: query_of(other, "half")[0] == 0)


def test_a_half_read_request_keeps_its_account_when_io_threads_change(new_server):
    server = new_server(io_threads=3)
    with server.connect() as other, server.connect() as half:
        half("CLIENT", "SETNAME", "half")
        half.send_raw(b"*2\r\n$4\r\nECHO\r\n$500000\r\n" + b"x" * 300_000)
        wait_until(lambda: query_of(other, "half")[0] == 300_000)
        for threads in (1, 2, 4):
            other("CONFIG", "SET", "io-threads", threads)
            assert query_of(other, "half")[0] == 300_000
        half.send_raw(b"x" * 200_000 + b"\r\n")
        assert half.read() == b"x" * 500_000
        wait_until(lambda: query_of(other, "half")[0] == 0)


@pytest.mark.parametrize("spared", [False, True])
def test_half_read_requests_count_against_maxmemory_clients(threaded, spared):
    with threaded.connect() as other, threaded.connect() as half:
        other("CLIENT", "NO-EVICT", "ON")
        other("CONFIG", "SET", "maxmemory-clients", 2_000_000)
        half("CLIENT", "SETNAME", "half")
        half("CLIENT", "NO-EVICT", "ON" if spared else "OFF")
        half.send_raw(b"*2\r\n$4\r\nECHO\r\n$3000000\r\n")
        if spared:
            wait_until(lambda: query_of(other, "half")[1] > 3_000_000)
        else:
            wait_until(lambda: fields(other, "half") is None)
        assert other("PING") == "PONG"


def test_a_request_over_maxmemory_clients_is_not_executed(threaded):
    with threaded.connect() as other, threaded.connect() as large:
        other("CONFIG", "SET", "maxmemory-clients", 2_000_000)
        large("SET", "k", b"x" * 1_000_000)
        with pytest.raises((ConnectionError, EOFError, RespError)):
            large("SET", "k", b"x" * 2_500_000)
        assert other("STRLEN", "k") == 1_000_000


# ---- replies that nobody can want
@pytest.mark.parametrize("command", [("HRANDFIELD", "hash"), ("SRANDMEMBER", "set"), ("ZRANDMEMBER", "zset")])
def test_a_huge_count_ends_at_the_output_limit(threaded, command):
    with threaded.connect() as other, threaded.connect() as greedy:
        other("HSET", "hash", "a", "b")
        other("SADD", "set", "a")
        other("ZADD", "zset", 1, "a")
        other("CONFIG", "SET", "client-output-buffer-limit", "normal 1000000 0 0")
        with pytest.raises((ConnectionError, EOFError)):
            greedy(*command, -999_999_999)
        assert other("PING") == "PONG"


def test_a_large_count_within_the_limit_is_answered_in_full(threaded):
    with threaded.connect() as one, threaded.connect(protocol=3) as three:
        one("HSET", "hash", "a", "b")
        one("SADD", "set", "a")
        one("ZADD", "zset", 1, "a")
        assert one("HRANDFIELD", "hash", -2500) == [b"a"] * 2500
        assert one("HRANDFIELD", "hash", -2500, "WITHVALUES") == [b"a", b"b"] * 2500
        assert three("HRANDFIELD", "hash", -2500, "WITHVALUES") == [[b"a", b"b"]] * 2500
        assert one("SRANDMEMBER", "set", -2500) == [b"a"] * 2500
        assert one("ZRANDMEMBER", "zset", -2500) == [b"a"] * 2500
        assert one("ZRANDMEMBER", "zset", -2500, "WITHSCORES") == [b"a", b"1"] * 2500
        assert three("ZRANDMEMBER", "zset", -2500, "WITHSCORES") == [[b"a", 1.0]] * 2500
        one("MULTI")
        one("SRANDMEMBER", "set", -2500)
        one("DEL", "set")
        assert one("EXEC") == [[b"a"] * 2500, 1]


@pytest.mark.parametrize("words", [
    ("pubsub", "channels", "a", "b"), ("PubSub", "ShardChannels", "a", "b"), ("xgroup", "create", "k", "g", "0", "NO"),
    ("slowlog", "get", 1, 2), ("client", "Unblock", 1, "ERROR", "x"), ("client", "pause", 1, "ALL", "x"),
    ("function", "Flush", "SYNC", "x"), ("Function", "Restore", "x", "APPEND", "y"), ("xinfo", "Stream", "k", "NO"),
    ("command", "no\0such"), ("debug", "no\0such"), ("PEXPIREAT", "k", 1, "NX", "\r\nx\r\n\r\n"),
])  # fmt: skip
def test_errors_name_words_as_they_were_sent(both, words):
    both("XADD", "k", "1-1", "f", "v")
    both(*words)
