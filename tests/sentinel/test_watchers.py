"""Who watches a server, as its own metrics port shows it; and both pages in a browser (skipped without Chromium)."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.browser import Browser, program
from tests.support.pace import wait_until
from tests.support.sentinels import NAME, OurSentinel, Watch
from tests.support.server import Process, Server, free_port

FAMILY = "remus_watched_by_sentinel"
PATIENCE = 120.0  # seconds: headless Chromium on a busy machine is slow, which is no failure


class Metered(Watch):
    """The server, and the first sentinel, have a metrics port."""

    def place(self, number: int, process: Process) -> None:
        if number == 0:
            process.directives["metrics-port"] = free_port()


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with Metered(tmp_path_factory.mktemp("watch"), [OurSentinel] * 2, [Server]) as watch:
        watch.ready()
        yield watch


def metrics_port(process: Process) -> int:
    return int(process.directives["metrics-port"])


def shown(port: int) -> set[str]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
        lines = reply.read().decode().splitlines()
    return {line for line in lines if line.startswith(FAMILY)}


def test_a_server_shows_who_watches_it(watch: Watch) -> None:
    server = watch.servers[0]
    port = metrics_port(server)
    ids = [one.ask("SENTINEL", "MYID").decode()[:8] for one in watch.sentinels]
    wanted = {f'{FAMILY}{{sentinel_id="{each}",sentinel_ip="127.0.0.1"}} 1.0' for each in ids}
    wait_until(lambda: shown(port) == wanted, "both sentinels")

    # A name is no sentinel, nor is who only listens; with both, one is believed, but never more than 32.
    with server.connect() as named, server.connect() as listens:
        named.ok("CLIENT", "SETNAME", "sentinel-strange1-pubsub")
        listens("SUBSCRIBE", "__sentinel__:hello")
        assert shown(port) == wanted
    for number in range(40):
        c = server.connect()
        c.ok("CLIENT", "SETNAME", f"sentinel-made{number:04}-pubsub")
        c("SUBSCRIBE", "__sentinel__:hello")
    assert len(shown(port)) == 32
    server.disconnect()
    wait_until(lambda: shown(port) == wanted, "both sentinels alone")


@pytest.mark.slow
def test_the_pages(watch: Watch, tmp_path: Path) -> None:
    if program() is None:
        pytest.skip("chromium is not installed")
    server, sentinel = watch.servers[0], watch.sentinels[0]
    ids = [one.ask("SENTINEL", "MYID").decode() for one in watch.sentinels]

    def all_there(*texts: str) -> bool:
        whole = str(page.ask("document.body?.textContent ?? ''"))
        return all(text in whole for text in texts)

    with Browser(tmp_path) as page:
        page.open(f"http://127.0.0.1:{metrics_port(server)}/#250")
        wait_until(lambda: all_there(*(f"watches, id {each[:8]}" for each in ids)), "both sentinels", PATIENCE)
        page.open(f"http://127.0.0.1:{metrics_port(sentinel)}/")
        wanted = (f"{NAME} at 127.0.0.1:{server.port}", f"this one{ids[0][:12]}", ids[1][:12])
        wait_until(lambda: all_there(*wanted), "a master and both sentinels", PATIENCE)
