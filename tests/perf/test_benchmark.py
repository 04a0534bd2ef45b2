"""Runs against a live server: what it counted is what was reported; open loop, mixes, errors, strange servers."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from perf.benchmark.options import Options
from perf.benchmark.result import Result
from perf.benchmark.session import BenchmarkFailed, run
from tests.support.resp import Connection
from tests.support.server import ROOT, Process, Server


@pytest.fixture
def load(server: Server) -> Callable[..., Result]:
    """Run with these options against the session's server."""

    def loaded(**options: Any) -> Result:
        return run(Options(port=server.port, **options))

    return loaded


def calls(server: Process, command: str) -> int:
    """How often the server executed it, by its own count."""
    with Connection(server.port) as c:
        for line in c("INFO", "commandstats").decode().splitlines():
            if line.startswith(f"cmdstat_{command}:calls="):
                return int(line.partition("calls=")[2].partition(",")[0])
    return 0


# ---- counts


@pytest.mark.parametrize(
    "options",
    [
        {"requests": 1003},
        {"requests": 1003, "pipeline": 16},
        {"requests": 1003, "pipeline": 16, "threads": 2, "clients": 7},
        {"requests": 5, "pipeline": 50},
        {"requests": 1003, "poll": True, "threads": 2},
        {"requests": 203, "keep_alive": False, "clients": 5},
        {"requests": 203, "keep_alive": False, "pipeline": 4, "protocol": 3, "poll": True},
        {"requests": 1003, "value_size": "0-9000", "pipeline": 5},
        {"requests": 301, "rate": 50_000},
        {"requests": 301, "rate": 5_000, "spin": True},
        {"requests": 301, "rate": 50_000, "pipeline": 7, "threads": 2, "arrivals": "poisson", "poll": True},
    ],
    ids=str,
)
def test_counts_are_exact(load: Callable[..., Result], server: Server, options: dict[str, Any]):
    result = load(test="set", key_space=100, **options)
    assert (result.requests, result.errors) == (options["requests"], 0)
    assert calls(server, "set") == options["requests"]
    assert result.latency.total == result.requests
    assert result.rate == pytest.approx(result.requests / result.seconds)
    assert 0 < result.latency.min <= result.percentile(50) <= result.percentile(99.9) <= result.latency.max


def test_large_values_both_ways(load: Callable[..., Result], raw: Connection):
    assert load(test="set", value_size=300_000, requests=40, pipeline=8, clients=3).errors == 0
    assert raw("STRLEN", "key:__rand_int__") == 300_000
    result = load(test="get", requests=100, pipeline=10, clients=3)
    assert result.requests == 100
    assert result.received_bytes == 100 * (300_000 + len(b"$300000\r\n\r\n"))


def test_a_mix_is_in_proportion(load: Callable[..., Result], server: Server):
    result = load(mix="get:8,set:1,bump:1", define={"bump": "INCRBY n:__rand_int__ 3"}, key_space=50, requests=10_000,
                  pipeline=10)  # fmt: skip
    counts = {title: latency.total for title, latency in result.commands.items()}
    assert counts == {"GET": calls(server, "get"), "SET": calls(server, "set"), "bump": calls(server, "incrby")}
    assert sum(counts.values()) == 10_000
    assert 7700 < counts["GET"] < 8300
    assert 800 < counts["SET"] < 1200


def test_sequential_keys_name_each_key_once(load: Callable[..., Result], raw: Connection):
    load(test="set", key_space=1000, key_distribution="sequential", requests=1000, threads=2, pipeline=7)
    assert raw("DBSIZE") == 1000
    assert raw("EXISTS", "key:000000000000", "key:000000000999") == 2


def test_every_placeholder_is_drawn_anew(load: Callable[..., Result], raw: Connection):
    load(command=["RPUSH", "l", "__rand_int__"], key_space=10**9, requests=500, pipeline=50, clients=4)
    assert len(set(raw("LRANGE", "l", 0, -1))) > 490


def test_resp3_and_databases(load: Callable[..., Result], raw: Connection):
    assert load(command="HGETALL h", protocol=3, requests=50).errors == 0
    load(test="set", database=9, requests=10)
    assert raw("DBSIZE") == 0
    assert b"db9:keys=1" in raw("INFO", "keyspace")


@pytest.mark.parametrize("poll", [False, True])
def test_descriptors_above_1023(load: Callable[..., Result], poll: bool):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < 2000:
        pytest.skip("this process may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2000), limits[1]))
    others = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        assert load(test="get", requests=500, clients=20, poll=poll).requests == 500
    finally:
        for fd in others:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# ---- time


def test_duration_and_warmup(load: Callable[..., Result], server: Server):
    result = load(test="get", duration=0.2, warmup=0.1)
    assert 0 < result.requests < result.answered == calls(server, "get")
    assert result.seconds >= 0.15


def test_open_loop_keeps_its_rate(load: Callable[..., Result], server: Server):
    result = load(test="get", rate=2000, duration=0.5)
    assert calls(server, "get") == result.requests == result.lag.total
    assert result.requests + result.unsent == 1000


def test_poisson_arrivals(load: Callable[..., Result]):
    result = load(test="get", rate=4000, duration=0.5, arrivals="poisson")
    assert 1750 < result.requests + result.unsent < 2250


def test_a_stall_counts_for_all_requests_that_were_due(load: Callable[..., Result], server: Server):
    """What a closed loop omits: during a stall of 300 ms, 300 requests were due at 1,000/s, and waited for it."""
    stalled = threading.Timer(0.1, lambda: Connection(server.port)("DEBUG", "SLEEP", "0.3"))
    stalled.start()
    result = load(test="get", rate=1000, duration=0.6, clients=2)
    stalled.join()
    waited = result.requests - result.latency.count_up_to(50_000)
    assert waited >= 200
    assert result.latency.max >= 250_000


def test_too_slow_a_server_is_told(load: Callable[..., Result]):
    result = load(command="BLPOP nothing 0.1", rate=1000, duration=0.3, clients=2)
    assert result.unsent > 200
    assert result.requests + result.unsent == 300


# ---- errors


def test_error_replies_are_counted_and_the_first_is_kept(load: Callable[..., Result], raw: Connection):
    raw("SET", "mylist", "x")
    result = load(test="lpush", requests=50, pipeline=5)
    assert (result.requests, result.errors) == (50, 50)
    assert result.first_error.startswith("WRONGTYPE")


def test_stop_at_error(load: Callable[..., Result]):
    with pytest.raises(BenchmarkFailed, match="unknown command 'NONSENSE'") as failed:
        load(command="NONSENSE", requests=10**9, stop_at_error=True)
    assert failed.value.result is not None


def test_passwords(new_server: Callable[..., Server]):
    own = new_server(requirepass="secret")
    for keep_alive in (True, False):
        options = Options(port=own.port, test="get", requests=50, clients=3, keep_alive=keep_alive)
        options.password = "secret"
        assert run(options).errors == 0
        assert "secret" not in run(options).to_json()
        options.password = "wrong"
        with pytest.raises(BenchmarkFailed, match="WRONGPASS"):
            run(options)
    options.password, options.keep_alive = "", True
    result = run(options)
    assert result.errors == 50
    assert result.first_error.startswith("NOAUTH")


def test_unix_socket(new_server: Callable[..., Server], tmp_path: Path):
    path = str(tmp_path / "s")
    new_server(unixsocket=path)
    for keep_alive in (True, False):
        result = run(Options(unix_socket=path, test="set", requests=500, clients=5, pipeline=3, keep_alive=keep_alive))
        assert (result.requests, result.errors) == (500, 0)


def test_nobody_listens(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(BenchmarkFailed, match=r"Could not connect to Redis at 127\.0\.0\.1:"):
            run(Options(port=taken.getsockname()[1]))
    with pytest.raises(BenchmarkFailed, match="Could not connect"):
        run(Options(unix_socket=str(tmp_path / "none")))


@pytest.mark.parametrize("options", [{}, {"rate": 1000.0, "threads": 2}, {"keep_alive": False}], ids=str)
def test_a_server_that_is_killed_ends_the_run(new_server: Callable[..., Server], options: dict[str, Any]):
    own = new_server()
    threading.Timer(0.2, own.kill).start()
    with pytest.raises(BenchmarkFailed, match=r"closed a connection|failed") as failed:
        run(Options(port=own.port, duration=60.0, **options))
    assert failed.value.result is not None
    assert failed.value.result.requests > 0


def test_what_a_server_says_before_it_closes_is_told(new_server: Callable[..., Server]):
    own = new_server(maxclients=10)
    with pytest.raises(BenchmarkFailed, match=r"closed a connection.*max number of clients reached"):
        run(Options(port=own.port, clients=30, duration=60.0))


# ---- servers that are none of ours


@contextmanager
def pretender(answer: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    """The port of a server that calls `answer` with what it reads."""

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    answer(connection, data)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_replies_in_pieces():
    def answer(connection: socket.socket, data: bytes) -> None:
        for _ in range(data.count(b"GET")):
            for piece in (b"*2\r", b"\n$3\r\nab", b"c\r\n:", b"12\r\n"):
                connection.sendall(piece)

    with pretender(answer) as port:
        result = run(Options(port=port, requests=40, clients=2, pipeline=5))
    assert (result.requests, result.errors) == (40, 0)
    assert result.received_bytes == 40 * len(b"*2\r\n$3\r\nabc\r\n:12\r\n")


@pytest.mark.parametrize(
    ("reply", "complaint"), [(b"HTTP/1.1 400\r\n", "no RESP"), (b"+OK\r\n" * 100, "more replies than requests")]
)
def test_strange_replies(reply: bytes, complaint: str):
    with pretender(lambda connection, data: connection.sendall(reply)) as port, pytest.raises(
        BenchmarkFailed, match=complaint
    ):
        run(Options(port=port, requests=1000))


def test_pushes_are_no_replies():
    def answer(connection: socket.socket, data: bytes) -> None:
        connection.sendall(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n+OK\r\n" * data.count(b"GET"))

    with pretender(answer) as port:
        assert run(Options(port=port, requests=100, pipeline=3)).requests == 100


# ---- the program


def test_ctrl_c_reports_what_there_is(server: Server, tmp_path: Path):
    command = [sys.executable, "-m", "perf.benchmark", "-p", str(server.port), "-t", "get", "--duration", "60"]
    command += ["--json", str(tmp_path / "kept")]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with Connection(server.port) as c:
        while calls(server, "get") < 100:
            c("PING")
    os.kill(child.pid, signal.SIGINT)
    out, errors = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "requests/s" in out
    assert "ended early: interrupted" in out
    assert errors == ""
    assert json.loads((tmp_path / "kept").read_text())["ended_early"] == "interrupted"


def test_against_a_redis_server(peer: Process):
    result = run(Options(port=peer.port, mix="set:1,get:1,zadd:1", key_space=100, requests=5000, pipeline=9, threads=2))
    assert (result.requests, result.errors) == (5000, 0)
    assert calls(peer, "set") + calls(peer, "get") + calls(peer, "zadd") == 5000


def test_client_tracking(peer: Process):
    result = run(Options(port=peer.port, mix="set:1,get:9", key_space=5, requests=2000, protocol=3, tracking=True))
    assert (result.requests, result.errors) == (2000, 0)
    assert result.received_bytes > 2000 * len(b"$3\r\nabc\r\n")  # invalidations came, and were no replies


def test_it_loads_nothing_of_our_server():
    code = "import sys, perf.benchmark.command_line; print([m for m in sys.modules if m.split('.')[0] == 'server'])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
