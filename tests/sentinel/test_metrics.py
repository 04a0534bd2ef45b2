"""The metrics port of a sentinel: the names that redis_exporter has for one, ours, and the page."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.pace import wait_until
from tests.support.sentinels import NAME, OurSentinel
from tests.support.server import Server, free_port

ROOM = Path(__file__).resolve().parents[2] / "metrics"
# What redis_exporter makes of a sentinel, without the prefix redis_sentinel_.
OF_EXPORTER = """masters tilt running_scripts scripts_queue_length simulate_failure_flags master_status master_slaves
    master_ok_slaves master_sentinels master_ok_sentinels master_ckquorum_status master_setting_ckquorum
    master_setting_failover_timeout master_setting_parallel_syncs master_setting_down_after_milliseconds"""


class Metered(NamedTuple):
    server: Server
    sentinel: OurSentinel
    port: int

    def fetch(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=20) as reply:
            text: str = reply.read().decode()
            return text

    def samples(self) -> dict[str, str]:
        """name{labels}: value"""
        lines = [line for line in self.fetch("metrics").splitlines() if line[0] != "#"]
        return dict(line.rsplit(" ", 1) for line in lines)


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Metered]:
    folder, port = tmp_path_factory.mktemp("metered"), free_port()
    with Server(folder / "server") as server:
        config = f"sentinel monitor {NAME} 127.0.0.1 {server.port} 1\nsentinel down-after-milliseconds {NAME} 500"
        with OurSentinel(folder / "sentinel", config=config, metrics_port=port) as sentinel:
            wait_until(lambda: sentinel.master_fields()["runid"], "the master to be seen")
            yield Metered(server, sentinel, port)


def test_names_of_redis_exporter(metered: Metered) -> None:
    names = {name.partition("{")[0] for name in metered.samples()}
    assert {f"redis_sentinel_{name}" for name in OF_EXPORTER.split()} <= names
    assert {"redis_up", "redis_uptime_in_seconds", "redis_connected_clients", "redis_instance_info",
            "redis_commands_total", "process_resident_memory_bytes", "remus_build_info"} <= names


def test_names_that_dashboard_and_alerts_ask_for(metered: Metered) -> None:
    names = {name.partition("{")[0] for name in metered.samples()}
    text = (ROOM / "dashboards" / "sentinel.json").read_text() + (ROOM / "alerts.yml").read_text()
    asked = set(re.findall(r"\b(?:redis|remus)_sentinel_\w+", text))
    assert len(asked) >= 8 and asked <= names


def test_values(metered: Metered) -> None:
    labels = [f'master_address="127.0.0.1:{metered.server.port}"', f'master_name="{NAME}"']

    def value(name: str, more: str = "") -> float | None:
        found = [number for key, number in metered.samples().items()
                 if key.startswith(f"redis_sentinel_{name}") and all(part in key for part in (*labels, more))]
        return float(found[0]) if found else None

    assert metered.samples()["redis_sentinel_masters"] == "1.0"
    assert value("master_status", 'master_status="ok"') == 1
    assert (value("master_sentinels"), value("master_ok_sentinels"), value("master_slaves")) == (1, 1, 0)
    assert value("master_ckquorum_status") == 1
    assert value("master_setting_down_after_milliseconds") == 500


def test_a_name_that_is_no_utf_8_hides_nobody(metered: Metered) -> None:
    with metered.sentinel.connect() as c:
        assert c("SENTINEL", "MONITOR", b"\xff\"\n\xc3\xa4", "127.0.0.1", metered.server.port, 1) == "OK"
        try:
            names = {line.split("master_name=")[1] for line in metered.samples() if "_master_quorum" in line
                     or "_master_setting_ckquorum" in line}
            assert names == {f'"{NAME}"}}', '"\\\\xff\\"\\nä"}'}
        finally:
            assert c("SENTINEL", "REMOVE", b"\xff\"\n\xc3\xa4") == "OK"


def test_the_page(metered: Metered) -> None:
    assert "<title>Remus Sentinel</title>" in metered.fetch("")
    assert "masters.json" in metered.fetch("sentinel.js")
    text = metered.fetch("masters.json")
    [master] = json.loads(text)
    assert (master["name"], master["status"], master["has_quorum"], master["replicas"]) == (NAME, "ok", True, [])
    for absent in ("slowlog.json", "keys.json", "index.html"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            metered.fetch(absent)
