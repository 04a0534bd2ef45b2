"""What an installation must do, wherever it was built: run by cibuildwheel on each wheel, and in the clone as well."""

import subprocess
import sys
import time

import remus_server


def test_it_serves(remus):
    assert remus.set("k", "v", ex=100)
    remus.fast_forward(101)
    assert remus.get("k") is None
    assert remus.eval("return redis.call('INCR', KEYS[1]) + 1", 1, "n") == 2
    assert remus.xadd("s", {"f": "v"})
    remus.zadd("z", {"a": 1.5, "b": 2})
    assert remus.zrange("z", 0, -1, withscores=True) == [(b"a", 1.5), (b"b", 2.0)]


def test_data_survives(tmp_path):
    with remus_server.Redis(tmp_path, directives={"io_threads": 2}) as client:
        client.hset("h", mapping={"f": "v"})
        assert client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.01)
    with remus_server.Redis(tmp_path) as client:
        assert client.hgetall("h") == {b"f": b"v"}


def test_metrics(remus_new_server):
    import urllib.request

    with remus_server.start() as probe:
        port = probe.port                               # one that is free once that has ended
    remus_new_server(metrics_port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
        assert b"redis_up 1" in page.read()


def test_the_program():
    command = [sys.executable, "-m", "remus_server", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("Redis server v=7.2.")
