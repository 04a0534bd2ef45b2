"""Waits for the main thread, queues of the I/O threads, sizes of requests and replies: INFO load and its metrics."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.metrics.test_names import scrape, value
from tests.support.resp import encode
from tests.support.server import Server, free_port, wait_until


def figures(server: Server, name: str) -> dict[str, float]:
    """A line of INFO load as numbers."""
    return {key: float(text) for key, _, text in (part.partition("=") for part in server.info("load")[name].split(","))}


def test_sizes_by_class(new_server: Callable[..., Server]) -> None:
    port = free_port()
    server = new_server(metrics_port=port)
    c = server.connect()
    before = figures(server, "request_bytes_write")["count"]
    c.ok("SET", "k", "v" * 1000)
    c.ok("GET", "k")
    c.ok("APPEND", "k", "v" * 100_000)
    c.ok("GETRANGE", "k", 0, -1)
    written, read = figures(server, "request_bytes_write"), figures(server, "reply_bytes_read")
    assert written["count"] == before + 2 and 101_000 < written["sum"] < 101_200
    assert read["count"] >= 2 and 102_000 < read["sum"] < 102_200
    assert read["p99"] == (1 << 17) - 1
    samples = scrape(port)
    assert value(samples, "remus_reply_size_bytes_bucket", **{"class": "read", "le": "16"}) == 0
    assert value(samples, "remus_reply_size_bytes_bucket", **{"class": "read", "le": "1024"}) == 1
    assert value(samples, "remus_reply_size_bytes_bucket", **{"class": "read", "le": "131072"}) == 2
    assert value(samples, "remus_reply_size_bytes_count", **{"class": "read"}) == 2
    assert value(samples, "remus_request_size_bytes_sum", **{"class": "write"}) == written["sum"]


def test_inline_and_unknown_commands(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.sendall(b"NONSENSE\r\nPING\r\n")
        assert b"PONG" in wait_until(lambda: s.recv(1000, socket.MSG_PEEK).endswith(b"PONG\r\n") and s.recv(1000))
    assert figures(server, "reply_bytes_other")["count"] >= 2


@pytest.mark.parametrize("threads", [1, 3])
def test_each_batch_waits_once(new_server: Callable[..., Server], threads: int) -> None:
    server = new_server(io_threads=threads)
    c = server.connect()
    before = figures(server, "main_thread_wait_usec")["count"]
    c.pipeline([("BLPOP", "none", "0.01"), ("PING",), ("PING",)])  # its batch is taken up twice
    assert figures(server, "main_thread_wait_usec")["count"] - before <= 4  # the pipeline may be read in pieces
    c.ok("CONFIG", "RESETSTAT")
    assert figures(server, "main_thread_wait_usec")["count"] <= 2


def test_a_busy_main_thread_lets_others_wait(new_server: Callable[..., Server]) -> None:
    port = free_port()
    server = new_server(io_threads=2, metrics_port=port)
    first, second = socket.create_connection(("127.0.0.1", server.port)), server.connect()

    def waited() -> bool:
        first.sendall(encode("DEBUG", "SLEEP", "0.3"))
        second.ok("PING")
        first.recv(100)
        return figures(server, "main_thread_wait_usec").get("p99.9", 0) >= (1 << 17) - 1

    with first:
        wait_until(waited, "a wait of 131 ms or more", 60)
    assert value(scrape(port), "remus_main_thread_wait_seconds_sum") > 0.13


def test_queues_of_threads(new_server: Callable[..., Server]) -> None:
    port = free_port()
    server = new_server(io_threads=2, metrics_port=port)
    for _ in range(3):
        server.connect().ok("PING")
    line = figures(server, "io_thread_1_queue")
    assert line["depth"] >= 1 and line["max"] >= line["mean"] >= 1
    samples: Any = scrape(port)
    assert value(samples, "remus_io_thread_queue_depth_max", thread="1") >= 1
    assert value(samples, "remus_io_thread_queue_messages_total", thread="1") >= value(
        samples, "remus_io_thread_queue_looks_total", thread="1"
    )
    server.connect().ok("CONFIG", "RESETSTAT")
    assert figures(server, "io_thread_1_queue")["max"] <= line["max"]
