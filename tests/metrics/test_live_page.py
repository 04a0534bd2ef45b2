"""The page at / of the metrics port: self-contained, and served as it is. In a browser: test_live_page_drawn."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.test_names import undeclared
from tests.support.following import linked
from tests.support.server import Server, free_port, wait_until

PAGE = Path(__file__).resolve().parents[2] / "metrics" / "page"
FILES = sorted(PAGE.iterdir())
WATCHED = "remus_watched_by_sentinel"  # of those that are; see test_watchers
TEXT = "\n".join(file.read_text() for file in FILES)


def fetch(port: int, path: str = "") -> Any:
    return urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20)


def test_it_loads_nothing_from_elsewhere() -> None:
    assert set(re.findall(r"https?://[^\s\"']+", TEXT)) == {"http://www.w3.org/2000/svg"}  # a name, nothing is fetched
    assert not re.search(r"<(?:img|iframe)|@import|url\(|eval\(|innerHTML|style=|<style", TEXT)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', TEXT) + re.findall(r'from "./([^"]+)"', TEXT)
    assert {file.name for file in FILES} - {"index.html"} == {*loaded} - {"metrics"}


def test_each_name_it_reads_is_served(new_server: Callable[..., Server]) -> None:
    port, below = free_port(), free_port()
    master = new_server(metrics_port=port, repl_diskless_sync_delay=0)
    replica = new_server(metrics_port=below, replicaof=[f"127.0.0.1 {master.port}"])
    wait_until(lambda: linked(replica) and "lag_bytes" in "".join(master.info("syncs").values()), "a link")
    served = ""
    for each in (port, below):
        with fetch(each, "metrics") as reply:
            served += reply.read().decode()
    read = set(re.findall(r'"((?:redis|remus)_\w+)"', TEXT))
    assert len(read) > 20
    for name in read - undeclared() - {WATCHED}:
        assert re.search(rf"^{name}[ {{]", served, re.MULTILINE), name


def test_it_is_served_as_it_is_and_may_load_from_us_only(new_server: Callable[..., Server]) -> None:
    port = free_port()
    new_server(metrics_port=port)
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
    for file in FILES:
        with fetch(port, "" if file.name == "index.html" else file.name) as reply:
            assert reply.read() == file.read_bytes()
            assert reply.headers["Content-Type"] == f"{kinds[file.suffix]}; charset=utf-8"
            policy = reply.headers["Content-Security-Policy"]
            assert "connect-src 'self'" in policy and "script-src 'self'" in policy and "unsafe" not in policy


def test_files_for_prometheus_and_grafana_are_served(new_server: Callable[..., Server]) -> None:
    """Who installed a package does not know where they lie."""
    port = free_port()
    new_server(metrics_port=port)
    room = PAGE.parent
    for file in (room / "alerts.yml", room / "prometheus.yml", *(room / "dashboards").glob("*.json")):
        with fetch(port, file.name) as reply:
            assert reply.read() == file.read_bytes()
            kind = "application/json" if file.suffix == ".json" else "text/plain; charset=utf-8"
            assert reply.headers["Content-Type"] == kind
    for absent in ("index.html", "endpoint.py", "page/page.js", "../setup.cfg", "page"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(port, absent)


def test_slow_log_without_arguments(new_server: Callable[..., Server]) -> None:
    port = free_port()
    c = new_server(metrics_port=port, slowlog_log_slower_than=0).connect()
    c.ok("SET", "secret-key", "secret-value")
    with fetch(port, "slowlog.json") as reply:
        text = reply.read().decode()
    entries = json.loads(text)
    assert entries[0]["command"] == "set" and entries[0]["microseconds"] >= 0
    assert "secret" not in text


def test_keys_are_told_of_as_json(new_server: Callable[..., Server]) -> None:
    """What the page asks for besides; see test_notable_keys."""
    port = free_port()
    new_server(metrics_port=port)
    with fetch(port, "keys.json") as reply:
        assert json.loads(reply.read()) == {"hot": [], "big": [], "slots": []}
