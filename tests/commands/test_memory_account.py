"""INFO memory against what the process really takes: keys of every type, clients with large buffers, scripts."""

import os
import time

import psutil
import pytest

from server import kernel
from tests.support.resp import Connection, encode
from tests.support.server import wait_until

MANY = 3000
pytestmark = pytest.mark.skipif("REMUS_SANITIZED" in os.environ, reason="instrumented, it takes more than it asks for")


def resident(pid: int) -> int:
    return psutil.Process(pid).memory_info().rss


def figures(connection: Connection) -> dict[str, int]:
    lines = connection("INFO", "memory").decode().split("\r\n")
    return {name: int(value) for name, value in (line.split(":") for line in lines if ":" in line) if value.isdigit()}


def settled(connection: Connection, name: str = "mem_clients_normal") -> dict[str, int]:
    """The figures once every client was looked at: the same for a second and a half."""
    last, since = figures(connection), time.monotonic()
    while time.monotonic() - since < 1.5:
        time.sleep(0.1)
        now = figures(connection)
        if now[name] != last[name]:
            last, since = now, time.monotonic()
    return last


def fill(connection: Connection) -> None:
    """About 23 MB of every type and encoding."""
    commands: list[tuple] = []
    for n in range(3000):
        commands += [("SET", f"string{n}", "v" * (n % 10000)), ("SET", f"int{n}", n, "EX", 1000)]
        commands += [("RPUSH", f"list{n % 500}", *["v" * 20] * 100)]
        commands += [("SADD", f"set{n % 300}", *range(n * 50, n * 50 + 50))]
        commands += [("HSET", f"hash{n % 300}", *[word for m in range(50) for word in (f"f{n}:{m}", "v" * m)])]
        commands += [("ZADD", f"zset{n % 200}", *[word for m in range(50) for word in (m, f"m{n}:{m}")])]
        commands += [("XADD", f"stream{n % 20}", "*", "f", "v" * 100)] * 10
    for at in range(0, len(commands), 2000):
        connection.pipeline(commands[at:at + 2000])


def test_used_memory_of_keys_is_the_allocators_and_shows_in_rss(new_server):
    with (server := new_server()).connect() as c:
        c.pipeline([("SET", "k", "v")] * 1000 + [("INFO", "memory")])
        for protocol in (3, 2):        # what is encoded soon after the start is there already
            c.pipeline([("HELLO", protocol), ("COMMAND",), ("COMMAND", "DOCS")])
        before, rss = settled(c), resident(server.pid)         # the buffers of these replies are no keys
        fill(c)
        after, grown = figures(c), resident(server.pid) - rss
        used, allocated = (after[name] - before[name] for name in ("used_memory", "allocator_allocated"))
        assert used > 20 << 20
        assert abs(used - allocated) < used * 0.01
        assert abs(after["allocator_resident"] - before["allocator_resident"] - grown) < grown * 0.05
        assert after["used_memory_overhead"] + after["used_memory_dataset"] == after["used_memory"]
        assert after["used_memory_peak"] >= after["used_memory"]
        assert c("FLUSHALL") == "OK"
        c("MEMORY", "PURGE")
        emptied = figures(c)
        assert emptied["used_memory"] < before["used_memory"] + (1 << 20)
        assert emptied["used_memory_peak"] >= after["used_memory"], "the peak is kept"
        assert emptied["allocator_resident"] < before["allocator_resident"] + (4 << 20)


def test_a_peak_between_two_looks_is_seen(new_server):
    with new_server().connect() as c:
        c.pipeline([("SET", "k", "v" * 5_000_000), ("DEL", "k")] + [("SET", f"k{n}", "v" * 100) for n in range(20000)]
                   + [("FLUSHALL",)])
        assert figures(c)["used_memory_peak"] > 5_000_000
        c.pipeline([("SET", f"k{n}", "v" * 1000) for n in range(20000)] + [("FLUSHALL",)])
        assert figures(c)["used_memory_peak"] > 20_000_000


@pytest.mark.parametrize("threads", [1, 2])
def test_clients_with_large_buffers_are_counted(new_server, threads):
    server = new_server(io_threads=threads, client_output_buffer_limit=["normal 0 0 0", "pubsub 0 0 0"])
    with server.connect() as c:
        c.ok("SET", "large", "v" * 1_000_000)
        before, rss = settled(c), resident(server.pid)
        writers = [server.connect() for _ in range(20)]
        for writer in writers:
            writer.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1500000\r\n" + b"v" * 1_400_000)
        written = settled(c)
        grown = resident(server.pid) - rss
        assert 20 * 1_400_000 < written["mem_clients_normal"] - before["mem_clients_normal"] < 20 * 1_600_000
        assert written["used_memory"] - before["used_memory"] < grown * 1.15
        assert (written["used_memory"] - before["used_memory"]) * 1.05 > grown
        for writer in writers:
            writer.close()
        wait_until(lambda: figures(c)["mem_clients_normal"] < before["mem_clients_normal"] + 100_000)


@pytest.mark.parametrize("threads", [1, 2])
def test_small_messages_to_a_client_that_does_not_read_cost_what_they_are_counted_for(new_server, threads):
    server = new_server(io_threads=threads, client_output_buffer_limit=["pubsub 0 0 0"])
    with server.connect() as c, server.connect() as deaf:
        deaf("SUBSCRIBE", "channel")

        def waiting() -> int:
            line = next(line for line in c("CLIENT", "LIST").decode().splitlines() if " sub=1 " in line)
            return int(line.split(" omem=")[1].split()[0])

        while not waiting():                               # until the socket takes no more
            c("PUBLISH", "channel", "m" * 100_000)
        rss, first = resident(server.pid), waiting()
        for _ in range(MANY):                              # one at a time: each leaves by itself
            c("PUBLISH", "channel", "m" * 50)
        counted = waiting() - first
        assert MANY * 80 < counted < MANY * 100
        assert resident(server.pid) - rss < 2 * counted + (1 << 20)
        message = b"*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$50\r\n" + b"m" * 50 + b"\r\n"
        data, everything = bytearray(), message * MANY
        while not data.endswith(everything):               # nothing is lost
            data += deaf.socket.recv(1 << 20)


@pytest.mark.skipif(not kernel.LINUX, reason="malloc does not say what it gave")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [300, 3000, 8300, 20000])
def test_replies_that_wait_are_what_malloc_gave_for_them(new_server, threads, size):
    def handed_out() -> int:
        return int(c("MEMORY", "MALLOC-STATS").decode().split("libc_used:")[1].split()[0])

    server = new_server(io_threads=threads, client_output_buffer_limit=["normal 0 0 0"])
    with server.connect() as c:
        c.ok("SET", "value", "v" * size)
        deaf = [server.connect() for _ in range(10)]
        for one in deaf:
            one.ok("PING")
        before, given = settled(c), handed_out()
        for _ in range(10):                               # the socket is full before the last of them
            for one in deaf:
                one.socket.sendall(encode("GET", "value") * (1_000_000 // size))
        waiting = settled(c)
        counted, given = waiting["mem_clients_normal"] - before["mem_clients_normal"], handed_out() - given
        assert counted > 10_000_000
        if size < 16384:                                  # longer values are not copied, and counted in full
            assert abs(counted - given) < 0.05 * given + (5 << 20), "pools keep a few megabytes at hand"
        reply = b"$%d\r\n%s\r\n" % (size, b"v" * size)
        for one in deaf:
            left = len(reply) * (1_000_000 // size) * 10
            data = bytearray()
            one.socket.settimeout(10)
            while len(data) < left:
                data += one.socket.recv(1 << 20)
            assert data == reply * (1_000_000 // size) * 10, "and nothing is lost or mixed up"
            one.close()


def test_scripts_and_functions_are_counted(new_server):
    with (server := new_server()).connect() as c:
        c("SCRIPT", "LOAD", "return 'what scripts need is loaded with the first one'")
        before, rss = figures(c), resident(server.pid)
        for n in range(1001):
            c("SCRIPT", "LOAD", f"return {n} -- " + "x" * 5000)
        library = "#!lua name=lib\nredis.register_function('f', function() return 1 end) -- "
        c("FUNCTION", "LOAD", library + "x" * 100_000)
        after, grown = figures(c), resident(server.pid) - rss
        assert 5_000_000 < after["used_memory_scripts_eval"] < 6_000_000
        assert 100_000 < after["used_memory_functions"] < 110_000
        used = after["used_memory"] - before["used_memory"]
        used -= after["mem_clients_normal"] - before["mem_clients_normal"]  # the cron came to this client meanwhile
        assert used == after["used_memory_scripts"] - before["used_memory_scripts"]
        lua = after["used_memory_vm_total"] - before["used_memory_vm_total"]
        assert used + lua > grown * 0.6, "texts, and what Lua compiled: little that is resident is not told"
        assert "Many scripts" in c("MEMORY", "DOCTOR").decode()
        c("SCRIPT", "FLUSH")
        assert figures(c)["used_memory_scripts_eval"] == 0


def test_the_aof_buffer_is_counted_only_with_an_aof(new_server):
    with new_server(appendonly=True, appendfsync="no").connect() as c:
        stats = c.pipeline([("SET", "k", "v" * 100_000), ("INFO", "memory")])[1].decode()
        buffered = int(stats.split("mem_aof_buffer:")[1].split()[0])
        assert buffered == int(stats.split("mem_not_counted_for_evict:")[1].split()[0])
        c.ok("CONFIG", "SET", "appendonly", "no")
        assert figures(c)["mem_aof_buffer"] == 0


# ---- MEMORY DOCTOR
def doctor(connection: Connection) -> str:
    return connection("MEMORY", "DOCTOR").decode()


def test_the_doctor_says_what_redis_says_when_there_is_nothing_to_say(new_server, new_peer):
    with new_server().connect() as ours, new_peer().connect() as theirs:
        assert doctor(ours)[:75] == doctor(theirs)[:75], "too small to judge"
        ours.pipeline([("SET", f"k{n}", "v" * 1000) for n in range(20000)])
        assert doctor(ours) == ("Hi Sam, I can't find any memory issue in your instance. "
                                "I can only account for what occurs on this base.\n")


def test_the_doctor_sees_peaks_clients_and_fragmentation(new_server):
    server = new_server(client_output_buffer_limit=["normal 0 0 0"])
    with server.connect() as c:
        c.pipeline([("SET", f"k{n}", "v" * 1500) for n in range(40000)])
        c.pipeline([("DEL", f"k{n}") for n in range(40000) if n % 8])
        text = doctor(c)
        assert "Peak memory" in text and "allocator fragmentation" in text and "High total RSS" in text
        assert "Big client buffers" not in text
        large = [server.connect() for _ in range(10)]
        for one in large:
            one.socket.sendall(encode("SET", "k", "v" * 2_000_000)[:-1000])
        settled(c)
        assert "Big client buffers" in doctor(c)
        for one in large:
            one.close()
        assert "CONFIG SET activedefrag yes" in text
        c.ok("CONFIG", "SET", "active-defrag-ignore-bytes", "1mb", "activedefrag", "yes")
        wait_until(lambda: "allocator fragmentation" not in doctor(c), "what the doctor prescribed helps", 60)


def test_half_read_requests_count_at_once(new_server):
    """They grow without a command, so nobody may wait for the look once a second: maxmemory counts them."""
    server = new_server(maxmemory="11mb", maxmemory_policy="allkeys-random")
    with server.connect() as c:
        c.pipeline([("SETRANGE", f"k{n}", 100_000, "x") for n in range(50)])
        settled(c)
        c.ok("DEBUG", "PAUSE-CRON", 1)                    # which looks at each client
        writers = [server.connect() for _ in range(30)]
        for writer in writers:
            writer.socket.sendall(b"*250\r\n" + (b"$1000\r\n" + b"x" * 1000 + b"\r\n") * 249)
        wait_until(lambda: figures(c)["mem_clients_normal"] > 30 * 249_000)
        assert int(c("INFO", "stats").decode().split("evicted_keys:")[1].split()[0]) > 0
        c.ok("DEBUG", "PAUSE-CRON", 0)
        for writer in writers:
            writer.close()
        wait_until(lambda: figures(c)["mem_clients_normal"] < 1_000_000)


def test_what_replies_are_kept_by_is_never_long(new_server):
    """Some replies are kept until they are no longer true, by the words that asked for them: a name that nobody knows
    may be of any length."""
    server = new_server()
    with server.connect() as c:
        before = resident(server.pid)
        for number in range(12):
            word = b"%d" % number + b"x" * (4 << 20)
            for asked in (("COMMAND", "DOCS"), ("CONFIG", "GET"), ("INFO",), ("COMMAND", "INFO"),
                          ("FUNCTION", "LIST", "LIBRARYNAME"), ("PUBSUB", "CHANNELS"), ("ACL", "GETUSER")):
                c(*asked, word)
        assert resident(server.pid) - before < 40 << 20
