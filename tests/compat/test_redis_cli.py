"""redis-cli's ways of using a server: its modes, not its parser."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.support.resp import as_bytes, encode
from tests.support.server import Server, wait_until

CLI = shutil.which("redis-cli")
pytestmark = pytest.mark.skipif(CLI is None, reason="no redis-cli on PATH")
PIPED = 100_000

Cli = Callable[..., str]


@pytest.fixture
def cli(server: Server) -> Cli:
    """`cli("GET", "k")`: what redis-cli prints; `given` is its standard input."""

    def run(*words: str, given: bytes | None = None) -> str:
        done = subprocess.run([CLI or "", "-p", str(server.port), *words], input=given, capture_output=True, timeout=60)
        assert not done.stderr, done.stderr
        return done.stdout.decode()

    return run


@pytest.fixture
def of_every_type(client) -> None:
    client.mset({f"s{i}": "x" * i for i in range(50)})
    client.rpush("list", *"abc")
    client.sadd("set", *"abcd")
    client.zadd("zset", {"a": 1, "b": 2})
    client.hset("hash", mapping={"f": 1, "g": 2})


def until_read(process: subprocess.Popen[str], text: str) -> str:
    """Lines of its output up to the one that contains the text."""
    seen = []
    assert process.stdout is not None
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return "".join(seen)
    raise AssertionError(f"{text!r} did not come: {seen}")


# ---- one command at a time
def test_replies_as_a_terminal_shows_them(cli):
    assert cli("--no-raw", "SET", "k", "v") == "OK\n"
    assert cli("--no-raw", "GET", "k") == '"v"\n'
    assert cli("--no-raw", "GET", "none") == "(nil)\n"
    assert cli("--no-raw", "RPUSH", "l", "a", "b") == "(integer) 2\n"
    assert cli("--no-raw", "LRANGE", "l", "0", "-1") == '1) "a"\n2) "b"\n'
    assert cli("--no-raw", "INCR", "k") == "(error) ERR value is not an integer or out of range\n"
    assert cli("-r", "3", "INCR", "n") == "1\n2\n3\n"
    assert cli("-n", "3", "SET", "k", "db3") == "OK\n"
    assert cli("GET", "k") == "v\n"


def test_resp3_types(cli):
    cli("HSET", "h", "f", "v")
    cli("SADD", "s", "m")
    cli("ZADD", "z", "1.5", "m")
    assert cli("-3", "--no-raw", "HGETALL", "h") == '1# "f" => "v"\n'
    assert cli("-3", "--no-raw", "SMEMBERS", "s") == '1~ "m"\n'
    assert cli("-3", "--no-raw", "ZSCORE", "z", "m") == "(double) 1.5\n"
    assert cli("-3", "--no-raw", "GET", "none") == "(nil)\n"
    assert "redis_version:7.2" in cli("-3", "INFO", "server")


def test_a_password_and_a_name(new_server):
    server = new_server(requirepass="secret")
    words = [CLI or "", "-p", str(server.port), "--no-auth-warning"]
    done = subprocess.run([*words, "PING"], capture_output=True, text=True)
    assert done.stdout == "NOAUTH Authentication required.\n\n"
    for options in (["-a", "secret"], ["--user", "default", "--pass", "secret"], ["-3", "-a", "secret"]):
        assert subprocess.run([*words, *options, "PING"], capture_output=True, text=True).stdout == "PONG\n"


def test_commands_from_a_file(cli):
    assert cli(given=b"SET a 1\nINCR a\nMULTI\nINCR a\nEXEC\nGET a\n").split() == ["OK", "2", "OK", "QUEUED", "3", "3"]


def test_x_reads_the_last_argument(cli):
    cli("-x", "SET", "k", given=b"bytes \x01 and more")
    assert cli("GET", "k") == "bytes \x01 and more\n"


# ---- scanning
def test_scan(cli, of_every_type):
    assert sorted(cli("--scan").split()) == sorted([*(f"s{i}" for i in range(50)), "list", "set", "zset", "hash"])
    assert sorted(cli("--scan", "--pattern", "s4?").split()) == [f"s4{i}" for i in range(10)]


def test_bigkeys(cli, of_every_type):
    shown = cli("--bigkeys")
    assert "Sampled 54 keys in the keyspace!" in shown
    for line in (r"Biggest +list found .*list.* has 3 items", r"Biggest +set found .*set.* has 4 members",
                 r"Biggest +hash found .*hash.* has 2 fields", r"Biggest string found .*s49.* has 49 bytes"):
        assert re.search(line, shown), line


def test_memkeys(cli, of_every_type):
    shown = cli("--memkeys")
    assert "Sampled 54 keys in the keyspace!" in shown
    assert re.search(r"Biggest string found .* has [1-9]\d* bytes", shown)


def test_hotkeys(cli, configure, client):
    configure("maxmemory-policy", "allkeys-lfu")
    client.set("hot", 1)
    for _ in range(100):
        client.get("hot")
    assert re.search(r"hot key found with counter: \d+\tkeyname: \"?hot", cli("--hotkeys"))


# ---- watching
def test_stat(server, client):
    with subprocess.Popen([CLI or "", "-p", str(server.port), "--stat", "-i", "0.05"],
                          stdout=subprocess.PIPE, text=True) as p:
        assert "keys" in until_read(p, "keys       mem")
        assert p.stdout is not None
        lines = [p.stdout.readline().split() for _ in range(3)]
        p.kill()
    for keys, memory, clients, blocked, requests, *_ in lines:
        assert keys == "0" and memory[-1] in "KMG" and int(clients) >= 1 and blocked == "0" and int(requests) > 0


def test_latency(server):
    with subprocess.Popen([CLI or "", "-p", str(server.port), "--latency-history", "-i", "0.2", "--raw"],
                          stdout=subprocess.PIPE, text=True) as p:
        time.sleep(0.3)                        # it measures for a time
        p.kill()
        shown = p.communicate()[0]
    if shown:
        assert re.match(r"\d+ \d+ [\d.]+ \d+", shown)


def test_monitor(server, client):
    with subprocess.Popen([CLI or "", "-p", str(server.port), "MONITOR"], stdout=subprocess.PIPE, text=True) as p:
        until_read(p, "OK")
        client.set("k", "with \"quotes\" and \n")
        assert re.fullmatch(
            r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "with \\"quotes\\" and \\n"\n',
            until_read(p, '"SET"').splitlines(keepends=True)[-1],
        )
        p.kill()


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_subscribe(server, client, protocol):
    with subprocess.Popen([CLI or "", "-p", str(server.port), protocol, "--csv", "PSUBSCRIBE", "n*"],
                          stdout=subprocess.PIPE, text=True) as p:
        assert until_read(p, "psubscribe").endswith('"psubscribe","n*",1\n')
        wait_until(lambda: client.publish("news", "hello") == 1)
        assert until_read(p, "pmessage") == '"pmessage","n*","news","hello"\n'
        p.kill()


# ---- much at once
def test_pipe_loses_nothing(server, client):
    """The protocol's bytes into --pipe; the last one is an error. PIPED can be a million, too."""
    data = b"".join(encode("SET", f"key:{i}", f"value:{i}") for i in range(PIPED)) + encode("INCR", "key:1")
    done = subprocess.run([CLI or "", "-p", str(server.port), "--pipe"], input=data, capture_output=True, timeout=60)
    assert done.stderr == b"ERR value is not an integer or out of range\n"
    shown = done.stdout.decode()
    assert f"errors: 1, replies: {PIPED + 1}" in shown
    assert client.dbsize() == PIPED
    assert client.get(f"key:{PIPED - 1}") == b"value:%d" % (PIPED - 1)


def test_pipe_of_inline_commands(cli, client):
    shown = cli("--pipe", given=b"".join(b"SET k%d v\r\n" % i for i in range(1000)))
    assert "errors: 0, replies: 1000" in shown
    assert client.dbsize() == 1000


# ---- as a replica
FUNCTION = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_snapshot_from_afar(new_server, new_peer, tmp_path, diskless):
    """A real server starts from it; and the server that gave it has forgotten whom it gave it to."""
    server = new_server(repl_diskless_sync=diskless, repl_diskless_sync_delay=0, rdb_version=10)
    with server.connect() as c:
        c.pipeline([("SET", "k", "v"), ("RPUSH", "l", *"abc"), ("ZADD", "z", "1.5", "m")])
        c.ok("FUNCTION", "LOAD", FUNCTION)
        c.pipeline([("SET", f"large{n}", "x" * 100_000) for n in range(20)])
        digest = c("DEBUG", "DIGEST")
    words = [CLI or "", "-p", str(server.port)]
    done = subprocess.run([*words, "--rdb", str(tmp_path / "dump.rdb")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Transfer finished with success" in done.stdout + done.stderr
    piped = subprocess.run([*words, "--rdb", "-"], capture_output=True, timeout=60).stdout
    assert piped.startswith(b"REDIS0010")
    done = subprocess.run([*words, "--functions-rdb", str(tmp_path / "functions.rdb")], capture_output=True, timeout=60)
    assert done.returncode == 0
    functions = (tmp_path / "functions.rdb").read_bytes()
    assert b"register_function" in functions and b"large1" not in functions
    for name, held in (("dump.rdb", digest), ("functions.rdb", b"0" * 40)):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / "dump.rdb").write_bytes((tmp_path / name).read_bytes())
        peer = new_peer(dir=str(folder))
        with peer.connect() as c:
            assert as_bytes(c("DEBUG", "DIGEST")) == as_bytes(held) and len(c("FUNCTION", "LIST")) == 1
    wait_until(lambda: server.info("replication")["connected_slaves"] == "0")
    assert server.info("syncs")["as_master"].startswith("full_ok=3,full_err=0,")


@pytest.mark.parametrize("word", ["--replica", "--slave"])
def test_the_stream_as_it_is_written(new_server, word):
    server = new_server(repl_diskless_sync_delay=0)
    with server.connect() as c:
        c.ok("SET", "before", "1")
        with subprocess.Popen([CLI or "", "-p", str(server.port), word], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL) as p:
            wait_until(lambda: "state=online" in server.info("replication").get("slave0", ""))
            c.pipeline([("SET", "k", "with spaces"), ("SELECT", 3), ("INCR", "n"), ("LPUSH", "l", "the last")])
            shown = until_read(p, "the last").splitlines()
            p.kill()
    wanted = ['"SET","k","with spaces"', '"SELECT","3"', '"INCR","n"', '"LPUSH","l","the last"']
    assert [line for line in shown if line.upper() != '"PING"'][-len(wanted):] == wanted
    assert '"SET","before","1"' not in shown, "that was in the snapshot"


# ---- measuring
def test_latency_tools(server, client):
    for words in (["--latency-dist", "-i", "0.1"], ["--latency", "-i", "0.1", "--csv"]):
        with subprocess.Popen([CLI or "", "-p", str(server.port), *words], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as p:
            wait_until(lambda: client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0) > 0)
            p.kill()
        client.config_resetstat()


def test_lru_test(new_server):
    """A cache simulated: it fills, evicts, and hits."""
    server = new_server(maxmemory="3mb", maxmemory_policy="allkeys-lru")
    with subprocess.Popen([CLI or "", "-p", str(server.port), "--lru-test", "200000"], stdout=subprocess.DEVNULL) as p:
        for field in ("evicted_keys", "keyspace_hits"):
            wait_until(lambda field=field: int(server.info("stats")[field]) > 0, field, 40)
        p.kill()


def test_eval_of_a_file(cli, tmp_path):
    script = tmp_path / "script.lua"
    script.write_text("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
    assert cli("--eval", str(script), "k", ",", "v") == "v\n"
