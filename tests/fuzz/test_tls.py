"""Who comes to the TLS port and does not get through: noise, broken and half handshakes, and friends among them.
Nothing of them stays. REMUS_FUZZ_ROUNDS says how many (1,000); the seed is printed."""

import os
import random
import socket
import ssl
from pathlib import Path

import psutil

from tests.support.certificates import Authority
from tests.support.pace import patience, wait_until
from tests.support.secure import Secure, secure_server

ROUNDS = int(os.environ.get("REMUS_FUZZ_ROUNDS", "1000"))
WARM = 300  # until OpenSSL and the allocator have what they keep
GROWTH = 1 << 20


def greeting(who: Secure) -> bytes:
    """What a client says first."""
    said = ssl.MemoryBIO()
    stream = who.context().wrap_bio(ssl.MemoryBIO(), said, server_hostname="localhost")
    try:
        stream.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


def come_and_go(who: Secure, hello: bytes, chance: random.Random) -> None:
    """One connection of any kind."""
    kind = chance.choice(("friend", "half", "noise", "broken", "leaves"))
    try:
        if kind == "friend":
            assert who.ask() == b""
            return
        with socket.create_connection(("127.0.0.1", who.port), patience(10)) as plain:
            if kind == "half":
                plain.sendall(hello[: chance.randrange(len(hello))])
            elif kind == "noise":
                plain.sendall(chance.randbytes(chance.randrange(1, 300)))
            elif kind == "broken":
                at = chance.randrange(len(hello))
                plain.sendall(hello[:at] + bytes([hello[at] ^ 1 << chance.randrange(8)]) + hello[at + 1:])
                plain.shutdown(socket.SHUT_WR)
                plain.recv(10000)
            else:
                plain.sendall(hello)
                plain.recv(100)
    except OSError:
        assert kind != "friend"


def test_nothing_stays_of_who_does_not_get_through(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    authority = Authority(tmp_path / "authority")
    server, port = secure_server(tmp_path / "server", authority)
    with server:
        who = Secure(server, port, authority, authority.issue("client"))
        hello, process = greeting(who), psutil.Process(server.pid)

        def everybody_is_gone() -> int:
            wait_until(lambda: who.info()["tls_handshakes_under_way"] == "0", "they are forgotten")
            return int(process.memory_info().rss)

        for _ in range(WARM):
            come_and_go(who, hello, chance)
        before = everybody_is_gone()
        for _ in range(ROUNDS):
            come_and_go(who, hello, chance)
        grown = everybody_is_gone() - before
        assert grown < GROWTH or "REMUS_SANITIZED" in os.environ  # instrumented, what is freed stays resident
        assert who.ask() == b""
        assert server.info("stats")["internal_errors"] == "0"
        assert int(who.info()["tls_handshake_failures"]) > 0
