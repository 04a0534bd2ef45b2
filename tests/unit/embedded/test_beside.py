"""A server beside a process, and for unittest."""

import asyncio
import os
import subprocess
import sys

import pytest

import remus_server
from tests.support.pace import wait_until

redis = pytest.importorskip("redis")


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_one_line():
    with remus_server.Redis(decode_responses=True) as client:
        assert client.set("k", "v")
        assert client.get("k") == "v"
        assert client.server.port == 0
        assert client.server.url.startswith("unix:///")
        assert redis.Redis.from_url(client.server.url).get("k") == b"v"
        with remus_server.Redis() as another:
            assert another.keys() == []
        pid = client.server.pid
    assert gone(pid)


def test_what_has_a_path_is_kept_and_shared(tmp_path):
    folder = tmp_path / "data"
    first = remus_server.Redis(folder)
    first.set("k", "v")
    second = remus_server.Redis(folder, decode_responses=True)
    assert second.server is first.server
    first.close()
    first.close()                                   # harmless: it counts once
    assert second.get("k") == "v"
    code = f"import remus_server; remus_server.Redis({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "is in use by another process" in done.stderr
    pid = second.server.pid
    second.close()
    assert gone(pid)
    with remus_server.Redis(folder) as later:
        assert later.get("k") == b"v"
        assert later.config_get("appendonly") == {"appendonly": "yes"}


def test_asyncio():
    async def use():
        client = remus_server.AsyncRedis(directives={"enable_debug_command": "local"})
        pid = client.server.pid
        await client.set("k", "v", px=5000)
        await client.fast_forward(6)
        assert await client.get("k") is None
        await client.aclose()
        return pid

    assert gone(asyncio.run(use()))


def test_a_url_for_this_process():
    code = (
        "import os, redis, remus_server\n"
        "url = remus_server.url(db=3, directives={'maxmemory': '9mb'})\n"
        "assert remus_server.url(db=3) == url\n"
        "client = redis.Redis.from_url(url)\n"
        "client.set('k', 'v')\n"
        "assert client.connection_pool.connection_kwargs['db'] == 3\n"
        "assert client.config_get('maxmemory') == {'maxmemory': '9437184'}\n"
        "if os.fork() == 0:\n"
        "    assert redis.Redis.from_url(url).get('k') == b'v'\n"
        "    assert remus_server.url(db=3) != url\n"
        "    raise SystemExit\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
        "print(client.info('server')['process_id'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: gone(int(done.stdout)), "the end of the server")


class TestWithUnittest(remus_server.RemusTestCase):
    remus_directives = {"maxmemory": "5mb"}

    def test_one(self):
        assert self.remus.incr("n") == 1
        self.remus.fast_forward(60)
        assert self.remus.config_get("maxmemory") == {"maxmemory": "5242880"}

    def test_two(self):
        assert self.remus.incr("n") == 1


def test_no_other_name_is_there():
    with pytest.raises(AttributeError):
        remus_server.RemusCase
