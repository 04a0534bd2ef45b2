"""redis-benchmark against a server, several tests with pipelines; collected only when named (see sanitize.sh)."""

import subprocess

import pytest

TESTS = "set,get,incr,lpush,lpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset"


@pytest.mark.parametrize("pipeline", [1, 16])
def test_redis_benchmark(new_server, pipeline: int) -> None:
    server = new_server()
    command = ["redis-benchmark", "-p", str(server.port), "-t", TESTS, "-n", "4000", "-r", "1000", "-d", "100"]
    done = subprocess.run(
        [*command, "-P", str(pipeline), "-q"], capture_output=True, text=True, timeout=600, check=True
    )
    assert "rror" not in done.stdout + done.stderr
    assert server.connect()("PING") == "PONG"
