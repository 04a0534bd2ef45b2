"""The page at / of the metrics port: self-contained, read-only, and alive in a browser (skipped without Chromium)."""

import json
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.resp import Connection
from tests.support.server import Server, free_port

PAGE = Path(__file__).resolve().parents[2] / "metrics" / "live.html"


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


@pytest.mark.slow
def test_it_lives_in_a_browser(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """After some readings, charts have lines, the busiest commands are listed, and nothing is in trouble."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is not installed")
    port = free_port()
    server = new_server(metrics_port=port, io_threads=2, slowlog_log_slower_than=0)
    done = threading.Event()

    def load() -> None:
        with Connection(server.port) as c:
            while not done.wait(0.002):
                c.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET", "none"), ("INCR", "n")])

    thread = threading.Thread(target=load)
    thread.start()
    try:
        text = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             f"--user-data-dir={tmp_path}/profile", "--timeout=7000", "--virtual-time-budget=60000", "--dump-dom",
             f"http://127.0.0.1:{port}/"],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
    finally:
        done.set()
        thread.join()
    assert '<span id="trouble" role="status"></span>' in text
    assert f"master, port {server.port}" in text
    lines = re.findall(r'<polyline[^>]* points="([^"]*)"', text)
    assert len(lines) >= 15 and lines[0].count(",") >= 2
    assert "<td>get</td>" in text and "<td>incr</td>" in text
    assert re.search(r"p99 [\d.]+ µs", text)
