"""redis-benchmark's default tests all run, whatever their options."""

import csv
import shutil
import subprocess

import pytest

BENCHMARK = shutil.which("redis-benchmark")
pytestmark = pytest.mark.skipif(BENCHMARK is None, reason="no redis-benchmark on PATH")
TESTS = [
    "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP",
    "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)",
    "LRANGE_300 (first 300 elements)", "LRANGE_500 (first 500 elements)", "LRANGE_600 (first 600 elements)",
    "MSET (10 keys)",
]

NEWER = {"XADD"}                           # of redis-benchmark 7.2


def run(port: int, *options: str) -> list[str]:
    """The names of the tests that it reports."""
    done = subprocess.run([BENCHMARK or "", "-p", str(port), "-n", "1000", "--csv", *options],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "rror" not in done.stderr + done.stdout, done.stderr + done.stdout
    return [row[0] for row in csv.reader(done.stdout.splitlines())][1:]


@pytest.mark.parametrize(
    "options",
    [[], ["-P", "16"], ["-c", "200", "-P", "4", "-r", "1000"], ["-d", "1000", "-n", "100"], ["-k", "0", "-n", "200"],
     ["--threads", "2"]],
    ids=" ".join,
)
def test_default_tests(new_server, options):
    names = run(new_server(io_threads=2).port, *options)
    assert [name for name in names if name not in NEWER] == TESTS


def test_the_counts_are_right(new_server):
    server = new_server()
    assert run(server.port, "-t", "incr,lpush,sadd", "-P", "10") == ["INCR", "LPUSH", "SADD"]
    with server.connect() as c:
        assert c("GET", "counter:__rand_int__") == b"1000"
        assert c("LLEN", "mylist") == 1000
    done = subprocess.run([BENCHMARK or "", "-p", str(server.port), "-n", "1000", "-q", "-r", "10", "XADD", "s", "*",
                           "f", "__rand_int__"], capture_output=True, text=True)
    assert "requests per second" in done.stdout
