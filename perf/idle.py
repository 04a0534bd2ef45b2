"""What idle clients cost: processor time per second, and memory per connection, while nobody asks for anything."""

import resource
import socket
import time
from collections.abc import Callable

from perf.results import Figure
from perf.server_under_test import ServerUnderTest, encode

SPARE_FILES = 64  # of our own process, beside the connections
QUIET_SECONDS = 7  # after the last command: both servers hold some buffers for another 5


def raise_file_limit(clients: int) -> int:
    """Let this process hold that many connections; how many it may hold in the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + SPARE_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(clients, soft - SPARE_FILES)


def cost(server: ServerUnderTest, clients: int, seconds: float) -> tuple[float, float]:
    """Milliseconds of processor time per second, and KiB of resident memory per client."""
    server.send([encode("PING")])
    before_bytes = server.rss_bytes()
    opened: list[socket.socket] = []
    try:
        for _ in range(clients):
            opened.append(server.connect())
            opened[-1].sendall(b"PING\r\n")
            opened[-1].recv(64)
        held = (server.rss_bytes() - before_bytes) / 1024
        time.sleep(QUIET_SECONDS)
        began, before_us = time.perf_counter(), server.cpu_us()
        time.sleep(seconds)
        spent_ms = (server.cpu_us() - before_us) / 1e3
        return spent_ms / (time.perf_counter() - began), held / max(1, clients)
    finally:
        for connection in opened:
            connection.close()


def measure(start: Callable[[str], ServerUnderTest], clients: int, seconds: float) -> list[Figure]:
    """Without clients and with `clients` of them, each server by itself."""
    found = []
    for count in (0, raise_file_limit(clients)):
        figures = {}
        for name in ("ours", "peer"):
            with start(name) as server:
                figures[name] = cost(server, count, seconds)
        name = f"{count} idle clients"
        for index, what in enumerate(("cpu ms/s", "KiB/client")[: 1 + (count > 0)]):
            ours, peer = figures["ours"][index], figures["peer"][index]
            found.append(Figure("idle", name, what, ours, peer, ours / peer if peer > 0 else 0.0))
    return found
