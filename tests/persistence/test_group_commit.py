"""Under `appendfsync always` commands of several clients share an fsync: who waits is served all the same."""

import threading
from collections.abc import Callable

from tests.support.server import Server, wait_until

CLIENTS, EACH = 12, 60


def in_parallel(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_writers_and_those_who_block(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, appendfsync="always")
    taken: list[bytes] = []

    def work(number: int) -> None:
        with server.connect() as c:
            for turn in range(EACH):
                if number % 2:
                    c.ok("RPUSH", "queue", f"{number}:{turn}")
                    c.ok("INCR", "pushed")
                else:
                    taken.append(c.ok("BLPOP", "queue", 0)[1])

    in_parallel(work)
    assert sorted(taken) == sorted(f"{n}:{turn}".encode() for n in range(1, CLIENTS, 2) for turn in range(EACH))
    c = server.connect()
    assert c.ok("GET", "pushed") == b"%d" % len(taken)
    assert int(server.info("debug")["eventloop_duration_aof_sum"]) > 0
    server.kill()
    server.start()
    assert server.connect().ok("GET", "pushed") == b"%d" % len(taken)


def test_the_policy_changes_while_clients_write(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True)
    done = threading.Event()

    def work(number: int) -> None:
        with server.connect() as c:
            if number:
                for _ in range(EACH):
                    c.ok("INCR", f"counter:{number}")
                return
            while not done.is_set():
                for policy in ("always", "no", "everysec"):
                    c.ok("CONFIG", "SET", "appendfsync", policy)

    def all_done() -> bool:
        return c.ok("MGET", *(f"counter:{number}" for number in range(1, CLIENTS))) == [b"%d" % EACH] * (CLIENTS - 1)

    c = server.connect()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(all_done, seconds=20)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    c.ok("CONFIG", "SET", "appendonly", "no", "appendfsync", "always")
    c.ok("SET", "k", "v")
