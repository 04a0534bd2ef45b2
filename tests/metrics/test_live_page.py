"""The page at / of the metrics port: self-contained, read-only, and alive in a browser (skipped without Chromium)."""

import json
import os
import re
import threading
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.resp import Connection
from tests.support.server import Server, free_port, wait_until

PAGE = Path(__file__).resolve().parents[2] / "metrics" / "live.html"
PATIENCE = 120.0  # seconds: headless Chromium on a busy machine is slow, which is no failure
P99 = re.compile(r"p99 [\d.]+ (µs|ms|s|B|KiB)")
CELLS = "[...document.querySelectorAll('td')].map((cell) => cell.textContent)"
SECTIONS = "[...document.querySelectorAll('section')]"
LEGEND = SECTIONS + ".find((s) => s.querySelector('h2')?.textContent === '%s')?.textContent ?? ''"


def test_it_loads_nothing_from_elsewhere() -> None:
    text = PAGE.read_text()
    assert re.findall(r"https?://[^\s\"']+", text) == ["http://www.w3.org/2000/svg"]  # a name, nothing is fetched
    assert not re.search(r"<(?:link|img|iframe)|\bsrc=|@import|eval\(|innerHTML", text)


def test_each_name_it_reads_is_served(new_server: Callable[..., Server]) -> None:
    port = free_port()
    new_server(metrics_port=port).connect().ok("PING")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
        served = reply.read().decode()
    for name in set(re.findall(r'"((?:redis|remus)_\w+)"', PAGE.read_text())):
        assert re.search(rf"^{name}[ {{]", served, re.MULTILINE), name


def test_it_is_served_as_it_is_and_may_fetch_from_us_only(new_server: Callable[..., Server]) -> None:
    port = free_port()
    new_server(metrics_port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as reply:
        assert reply.read() == PAGE.read_bytes()
        assert "connect-src 'self'" in reply.headers["Content-Security-Policy"]


def test_slow_log_without_arguments(new_server: Callable[..., Server]) -> None:
    port = free_port()
    c = new_server(metrics_port=port, slowlog_log_slower_than=0).connect()
    c.ok("SET", "secret-key", "secret-value")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/slowlog.json", timeout=20) as reply:
        text = reply.read().decode()
    entries = json.loads(text)
    assert entries[0]["command"] == "set" and entries[0]["microseconds"] >= 0
    assert "secret" not in text


def test_keys_are_told_of_as_json(new_server: Callable[..., Server]) -> None:
    """What the page asks for besides; see test_notable_keys."""
    port = free_port()
    new_server(metrics_port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/keys.json", timeout=20) as reply:
        assert json.loads(reply.read()) == {"hot": [], "big": []}


def has_cell(page: browser.Browser, text: str) -> bool:
    return text in page.ask(CELLS)


def has_p99(page: browser.Browser, chart: str) -> bool:
    return P99.search(page.ask(LEGEND % chart)) is not None


@pytest.mark.slow
def test_it_lives_in_a_browser(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """After some readings, charts have lines, tables have rows, nothing is in trouble. It waits for conditions only."""
    if browser.program() is None:
        pytest.skip("chromium is not installed")
    port = free_port()
    server = new_server(metrics_port=port, io_threads=2, slowlog_log_slower_than=0, hot_keys_sample=1, hz=100)
    done = threading.Event()

    def load() -> None:
        with Connection(server.port) as c:
            while not done.wait(0.002):
                c.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET", "none"), ("INCR", "n"), ("HSET", "h", "f", "v")])

    thread = threading.Thread(target=load)
    thread.start()
    try:
        with browser.Browser(tmp_path) as page:
            page.open(f"http://127.0.0.1:{port}/#250")
            wait_until(lambda: int(page.ask("document.body?.dataset.readings ?? 0")) >= 6, "readings", PATIENCE)
            wait_until(lambda: not page.ask("document.getElementById('trouble').textContent"), "no trouble", PATIENCE)
            for cell in ("get", "incr", "none", "hash"):
                wait_until(partial(has_cell, page, cell), f"a row with {cell}", PATIENCE)
            for chart in ("Latency in the main thread", "Wait for the main thread", "Size of requests"):
                wait_until(partial(has_p99, page, chart), chart, PATIENCE)
            assert f"master, port {server.port}" in page.ask("document.getElementById('who').textContent")
            lines = page.ask("[...document.querySelectorAll('polyline')].map((l) => l.getAttribute('points'))")
            if picture := os.environ.get("REMUS_PICTURE"):
                page.picture(Path(picture))
    finally:
        done.set()
        thread.join()
    assert len(lines) >= 25 and lines[0].count(",") >= 2
