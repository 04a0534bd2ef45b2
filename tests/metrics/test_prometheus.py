"""Debian's prometheus, promtool and prometheus-redis-exporter at work with us; skipped where they are not installed."""

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.metrics.test_names import undeclared
from tests.support.certificates import Authority
from tests.support.cluster import Cluster
from tests.support.following import linked
from tests.support.pace import Deadline
from tests.support.peer import Peer, require_peer
from tests.support.resp import Connection, ConnectionClosed
from tests.support.sentinels import NAME, OurSentinel
from tests.support.server import Server, free_port, wait_until

ROOM = Path(__file__).resolve().parents[2] / "metrics"
CASES = Path(__file__).with_name("alerts_test.yml")
DASHBOARDS = sorted((ROOM / "dashboards").glob("*.json"))

# Names that a check of style would have otherwise, but that dashboards know.
UNITS = re.compile(r"\w+ (metric names should not contain abbreviated units|use base unit .*)")

# Queries that return nothing as long as all is well, or as long as the part that they watch is not in use.
EMPTY = {
    "redis_memory_max_bytes{$} > 0",
    "max(redis_memory_used_bytes{$} / (redis_memory_max_bytes{$} > 0))",
    "redis_latency_spike_duration_seconds{$}",
}

SCRAPES_SECONDS = 3  # in which several must have come

# redis_exporter's own process and memory, which we have no counterpart for.
THEIRS_ALONE = ("go_", "promhttp_")


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as reply:
        return reply.read().decode()


def families(text: str) -> dict[str, str]:
    """Name -> type."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


COMMANDS = [
    ("SET", "k", "v", "EX", 100), ("GET", "k"), ("GET", "none"), ("LPUSH", "k", "x"), ("INCR", "n"),
    ("LPUSH", "l", "x"), ("LTRIM", "l", "0", "9"), ("CONFIG", "GET", "port"), ("GET",), ("AUTH", "nobody", "x"),
]  # fmt: skip


class Load:
    """A client that sets, gets, misses, expires, fails, until the end of the `with`."""

    def __init__(self, port: int) -> None:
        self.port, self.done = port, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        with Connection(self.port) as c:
            while not self.done.wait(0.01):
                try:
                    c.pipeline(COMMANDS)
                except (OSError, ConnectionClosed):  # a test ended the server
                    return

    def __enter__(self) -> "Load":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


class Watched(NamedTuple):
    """A server of ours under load, its replica and a sentinel, that a Prometheus scrapes four times a second."""

    server: Server
    port: int
    prometheus: str

    def query(self, text: str) -> list[Any]:
        return query(self.prometheus, text)

    def found(self, text: str) -> bool:
        """Whether there is something, now or after the next scrapes: on a busy machine some come too late."""
        deadline = Deadline(SCRAPES_SECONDS)
        while not self.query(text):
            if deadline.passed():
                return False
            time.sleep(0.1)
        return True


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    port, below, node, beside = free_port(), free_port(), free_port(), free_port()
    text = (ROOM / "prometheus.yml").read_text()
    all_four = '", "'.join(f"127.0.0.1:{one}" for one in (port, below, node, beside))
    text = text.replace("127.0.0.1:9121", all_four).replace("interval: 5s", "interval: 250ms")
    text = text.replace("evaluation_interval: 15s", "evaluation_interval: 1s")
    shutil.copy(ROOM / "alerts.yml", folder)
    named: dict[str, Any] = {"metrics_hot_keys": 5, "metrics_big_keys": 3, "metrics_check_prefixes": "db0=:"}
    named |= {"hot_keys_sample": 1, "min_replicas_to_write": 1, "min_replicas_max_lag": 60}
    named["repl_diskless_sync_delay"] = 0
    of_slots = {"metrics_hot_slots": 3, "cluster_slot_stats_enabled": True}
    with (
        Server(folder / "server", metrics_port=port, io_threads=2, **named) as server,
        Server(folder / "replica", metrics_port=below, replicaof=[f"127.0.0.1 {server.port}"]) as replica,
        Cluster(folder / "cluster", masters=1, metrics_port=node, **of_slots) as cluster,
        OurSentinel(folder / "sentinel", start=False, metrics_port=beside) as sentinel,
        Load(server.port),
    ):
        wait_until(lambda: linked(replica), "a link", 30)
        with cluster[0].connect() as c:
            c.ok("SET", "k", "v")
        sentinel.config_text = f"sentinel monitor {NAME} 127.0.0.1 {server.port} 1"
        sentinel.start()
        with prometheus(folder, text) as address:
            found = Watched(server, port, address)
            wait_until(lambda: len(found.query("count_over_time(redis_up[1m]) > 8")) == 4, "scrapes", 30)
            yield found


@contextmanager
def prometheus(folder: Path, configuration: str) -> Iterator[str]:
    """The address of one that works by this."""
    need("prometheus")
    own = free_port()
    (folder / "prometheus.yml").write_text(configuration)
    child = subprocess.Popen(
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{own}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: ready(f"http://127.0.0.1:{own}/-/ready"), "prometheus answers", 30)
        yield f"http://127.0.0.1:{own}"
    finally:
        child.terminate()
        child.wait()


def query(address: str, text: str) -> list[Any]:
    """What a Prometheus answers."""
    answer = json.loads(fetch(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': text})}"))
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def ready(url: str) -> bool:
    try:
        return bool(fetch(url))
    except OSError:
        return False


def dashboard_queries() -> Iterator[tuple[str, str, str]]:
    """(dashboard, panel, query)."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield path.stem, panel["title"], target["expr"].replace("$__rate_interval", "10s")


@pytest.mark.slow
def test_every_query_of_the_dashboards_returns_something(watched: Watched) -> None:
    empty = []
    for board, panel, query in dashboard_queries():
        shown = query.replace('$job', ".*").replace('$instance', ".*")
        plain = query.replace('job=~"$job",instance=~"$instance"', "$").replace("{$,", "{")
        if plain not in EMPTY and not watched.found(shown):
            empty.append(f"{board}: {panel}: {plain}")
    assert not empty, "\n".join(empty)


@pytest.mark.slow
def test_variables_of_the_dashboards(watched: Watched) -> None:
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                [(metric, label)] = re.findall(r"label_values\((\w+).*, (\w+)\)", variable["definition"])
                assert watched.found(metric) and all(label in found["metric"] for found in watched.query(metric))


@pytest.mark.slow
def test_alerts_can_be_evaluated_and_none_fires_without_a_cause(watched: Watched) -> None:
    def groups() -> Any:
        [group] = json.loads(fetch(f"{watched.prometheus}/api/v1/rules"))["data"]["groups"]
        return group["rules"] if all(rule["lastEvaluation"][:4] > "2000" for rule in group["rules"]) else None

    rules = wait_until(groups, "rules are evaluated", 20)
    assert {rule["health"] for rule in rules} == {"ok"}, [rule for rule in rules if rule["health"] != "ok"]
    assert {rule["name"] for rule in rules if rule["state"] == "firing"} <= {"RemusRestarted"}


@pytest.mark.slow
def test_metrics_of_alerts_exist(watched: Watched) -> None:
    """An alert on a misspelt name never fires; so all names are ones that we show, or would."""
    for name in set(re.findall(r"\b(?:redis|remus)_\w+", (ROOM / "alerts.yml").read_text())) - undeclared():
        wait_until(lambda name=name: watched.query(name), f"{name} is there", 20)


@pytest.mark.slow
def test_a_server_that_is_gone_is_noticed(watched: Watched) -> None:
    """The last test with this server: kill -9, and the alert is pending."""
    watched.server.kill()
    wait_until(lambda: watched.query('ALERTS{alertname="RemusDown"}'), "the alert", 20)


def test_prometheus_over_tls(tmp_path: Path) -> None:
    """With a certificate of its own, and a password: as prometheus.yml says it is set up."""
    need("prometheus")
    authority = Authority(tmp_path / "authority")
    (cert, key), (own_cert, own_key), port = authority.issue("server"), authority.issue("prometheus"), free_port()
    text = re.sub(r"^    # (?!With)", "    ", (ROOM / "prometheus.yml").read_text(), flags=re.MULTILINE)
    tls = f"ca_file: {authority.file}, cert_file: {own_cert}, key_file: {own_key}"
    text = re.sub("tls_config: .*", f"tls_config: {{{tls}}}", text).replace("password: ...", "password: secret")
    text = text.replace("127.0.0.1:9121", f"127.0.0.1:{port}").replace("interval: 5s", "interval: 250ms")
    shutil.copy(ROOM / "alerts.yml", tmp_path)
    secured: dict[str, Any] = {"metrics_tls_cert_file": cert, "metrics_tls_key_file": key}
    secured |= {"metrics_tls_ca_cert_file": authority.file, "metrics_user": "prometheus", "metrics_password": "secret"}
    with Server(tmp_path / "server", metrics_port=port, **secured), prometheus(tmp_path, text) as address:
        found = wait_until(lambda: query(address, "redis_up == 1"), "a scrape over TLS", 30)
        assert [each["metric"]["instance"] for each in found] == [f"127.0.0.1:{port}"]


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    need("promtool")
    subprocess.run(["promtool", "check", "config", ROOM / "prometheus.yml"], check=True, capture_output=True)
    subprocess.run(["promtool", "check", "rules", ROOM / "alerts.yml"], check=True, capture_output=True)


def test_alerts_speak_when_they_should() -> None:
    need("promtool")
    done = subprocess.run(["promtool", "test", "rules", CASES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_metrics(tmp_path: Path) -> None:
    need("promtool")
    port = free_port()
    with Server(tmp_path, metrics_port=port) as server:
        with server.connect() as c:
            c("GET", "k")
        text = fetch(f"http://127.0.0.1:{port}/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    told = (done.stdout + done.stderr).splitlines()
    assert [line for line in told if not UNITS.fullmatch(line)] == []


def exported(server_port: int) -> dict[str, str]:
    """What prometheus-redis-exporter makes of a server: name -> type."""
    port = free_port()
    child = subprocess.Popen(
        ["prometheus-redis-exporter", "-redis.addr", f"redis://127.0.0.1:{server_port}",
         "-web.listen-address", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: ready(f"http://127.0.0.1:{port}/health"), "the exporter answers", 20)
        text = fetch(f"http://127.0.0.1:{port}/metrics")
    finally:
        child.terminate()
        child.wait()
    assert "\nredis_up 1\n" in text
    return families(text)


def exercise(port: int) -> None:
    with Connection(port) as c:
        c.pipeline([("SET", "k", "v", "EX", 100), ("LPUSH", "k", "x"), ("CONFIG", "GET", "port"), ("GET", "k")])


def test_the_exporter_finds_in_us_what_it_finds_in_redis(tmp_path: Path) -> None:
    need("prometheus-redis-exporter")
    require_peer()
    port = free_port()
    with Server(tmp_path / "ours", metrics_port=port) as server, Peer(tmp_path / "theirs") as peer:
        exercise(server.port)
        exercise(peer.port)
        ours, theirs = exported(server.port), exported(peer.port)
        own = families(fetch(f"http://127.0.0.1:{port}/metrics"))
    assert set(theirs) - set(ours) == set()
    assert {name for name in set(theirs) - set(own) if not name.startswith(THEIRS_ALONE)} == set()
    # Types agree but for its counters without _total, and for totals that it once called gauges.
    differ = {name for name in set(own) & set(theirs) if own[name] != theirs[name]}
    assert all(own[name] == ("counter" if name.endswith("_total") else "untyped") for name in differ)
