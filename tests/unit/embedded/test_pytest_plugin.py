"""The fixtures, in suites of other people."""

import pytest


def test_clients_time_and_faults(their_tests):
    said = their_tests("""
import datetime, threading, time
import pytest, redis
from redis.backoff import NoBackoff
from redis.retry import Retry
ONCE = Retry(NoBackoff(), 0)

def test_time(remus):
    remus.set("session", "x", ex=3600)
    waits = threading.Thread(target=lambda: redis.Redis(port=remus.server.port).blpop("queue", 600))
    waits.start()
    while not remus.client_list() or not any("b" in c["flags"] for c in remus.client_list()):
        time.sleep(0.01)
    before = time.time()
    assert 3600 <= remus.fast_forward(3601) - before < 3660
    assert remus.get("session") is None
    waits.join(10)
    assert not waits.is_alive()

def test_what_the_last_test_did_to_time_is_taken_back(remus):
    assert abs(remus.time()[0] - time.time()) < 60
    new_year = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    assert remus.set_time(new_year, stopped=True) == new_year.timestamp()
    assert remus.xadd("s", {"f": "v"}) == b"1893456000000-0"

def test_faults(remus, remus_client):
    remus.faults.fail("get", "LOADING still", times=2)
    impatient = remus_client(protocol=3, decode_responses=True, retry=ONCE)
    with pytest.raises(redis.exceptions.BusyLoadingError):
        impatient.get("k")
    remus.faults.clear()
    assert impatient.get("k") is None
    assert impatient.config_get("port") == {"port": str(remus.server.port)}
    remus.faults.lose_reply("incrby")        # what redis-py sends
    with pytest.raises(redis.exceptions.ConnectionError):
        impatient.incr("n")
    assert remus.get("n") == b"1"
    remus.faults.lose_reply("incrby")        # what redis-py sends
    remus_client().incr("n")                        # redis-py asks again by itself: counted twice
    assert remus.get("n") == b"3"
    remus.faults.drop("incrby")
    with pytest.raises(redis.exceptions.ConnectionError):
        impatient.incr("n")
    assert remus.get("n") == b"3"
    with remus.faults.out_of_memory(), pytest.raises(redis.exceptions.OutOfMemoryError):
        remus.set("k", "v")
    remus.set("k", "v")
    remus.faults.fail("*", times=1000)

def test_what_the_last_test_planned_is_taken_back(remus):
    assert remus.ping()
    assert remus.keys() == []

def test_a_slow_reply(remus, remus_client):
    remus.faults.delay("get", 30)
    hasty = remus_client(socket_timeout=0.05, retry=ONCE)
    with pytest.raises(redis.exceptions.TimeoutError):
        hasty.get("k")
    assert remus.set("k", "v")
""")
    assert "6 passed" in said or "5 passed" in said
    assert "failed" not in said


def test_a_keyspace_for_each_test(their_tests):
    said = their_tests("""
import pytest, redis
seen = []

@pytest.mark.parametrize("n", range(40))
def test_one(remus_keyspace, n):
    client = remus_keyspace.client(decode_responses=True)
    assert client.keys() == []
    client.set("left", n)
    assert redis.Redis.from_url(remus_keyspace.url).get("left") == b"%d" % n
    seen.append(remus_keyspace.db)

def test_they_were_others():
    assert len(set(seen)) == 40
""")
    assert "41 passed" in said


def test_servers_of_each_scope(their_tests):
    said = their_tests("""
import redis

def test_one(remus_module_server, remus_server, remus_new_server):
    redis.Redis.from_url(remus_module_server.url).set("k", "v")
    own = remus_new_server(maxmemory="7mb", requirepass="secret")
    assert len({own.pid, remus_server.pid, remus_module_server.pid}) == 3
    assert redis.Redis.from_url(own.url).config_get("maxmemory") == {"maxmemory": "7340032"}
    assert own.fast_forward(1) > 0

def test_two(remus_module_server, remus_server):
    assert redis.Redis.from_url(remus_module_server.url).get("k") == b"v"
    client = redis.Redis.from_url(remus_server.url)
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
    assert client.config_get("save") == {"save": "900 1 60 5"}
""", ini="remus_directives =\n  maxmemory-policy allkeys-lru\n  save 900 1\n  save 60 5\n  requirepass secret")
    assert "2 passed" in said


def test_a_replica_and_its_failover(their_tests):
    said = their_tests("""
import redis

def test_failover(remus_replica):
    pair = remus_replica
    first, second = pair.primary, pair.replica
    assert redis.Redis.from_url(pair.primary.url).set("k", "v")
    pair.wait_in_sync()
    assert redis.Redis.from_url(pair.replica.url).get("k") == b"v"
    pair.failover()
    assert (pair.primary, pair.replica) == (second, first)
    assert redis.Redis.from_url(pair.primary.url).set("k", "w")
    pair.wait_in_sync()
    pair.kill_primary()
    assert pair.primary is first and not second.is_running()
    client = redis.Redis.from_url(pair.primary.url)
    assert client.get("k") == b"w" and client.set("k", "x")
""")
    assert "1 passed" in said


ASYNC = """
import pytest

{mark}
async def test_one(remus_async):
    assert await remus_async.incr("n") == 1
    await remus_async.set("k", "v", ex=10)
    await remus_async.fast_forward(11)
    assert await remus_async.exists("k") == 0

{mark}
async def test_two(remus_async):
    assert await remus_async.incr("n") == 1
"""


def test_asyncio(their_tests):
    pytest.importorskip("pytest_asyncio")
    ini = "asyncio_default_fixture_loop_scope = function"
    assert "2 passed" in their_tests(ASYNC.format(mark="@pytest.mark.asyncio"), "-p", "pytest_asyncio.plugin", ini=ini)


def test_under_xdist_each_worker_has_a_server(their_tests):
    pytest.importorskip("xdist")
    said = their_tests("""
import os, pathlib, pytest, time

@pytest.mark.parametrize("n", range(2))
def test_one(remus, n):
    assert remus.incr("n") == 1
    pids = pathlib.Path("pids")
    pids.mkdir(exist_ok=True)
    (pids / os.environ["PYTEST_XDIST_WORKER"]).write_text(str(remus.server.pid))
    while len(list(pids.iterdir())) < 2:
        time.sleep(0.01)

def test_after(remus):
    assert remus.incr("n") == 1
""", "-p", "xdist", "-p", "xdist.looponfail", "-n", "2", "--dist", "each", "-k", "test_one and 0")
    assert "2 passed" in said


def test_what_is_left_is_told(their_tests):
    text = """
import threading, time, redis
from redis.backoff import NoBackoff
from redis.retry import Retry

def test_waits(remus):
    client = redis.Redis(port=remus.server.port, retry=Retry(NoBackoff(), 0))
    def wait():
        try: client.brpop("queue", 0)
        except redis.exceptions.ConnectionError: pass
    threading.Thread(target=wait, daemon=True).start()
    while remus.info("clients")["blocked_clients"] == 0:
        time.sleep(0.01)

def test_takes_nothing_away(remus):
    remus.lpush("queue", "v")
    assert remus.lrange("queue", 0, -1) == [b"v"]
"""
    said = their_tests(text, ini="remus_leftovers = report")
    assert "left waiting at remus-server: BRPOP from 127.0.0.1:" in said
    assert "     1 test_theirs.py::test_takes_nothing_away" in said
    assert "2 passed" in said
    said = their_tests("def test_one(remus):\n    remus.set('k', 1)\ndef test_two(remus):\n    pass\n",
                       ini="remus_leftovers = fail", status=1)
    assert "keys left at remus-server: 1" in said
    assert "2 passed, 1 error" in said


def test_what_workers_of_xdist_find_is_reported(their_tests):
    pytest.importorskip("xdist")
    text = "def test_one(remus):\n    remus.set('k', 1)\ndef test_two(remus):\n    remus.mset({'a': 1, 'b': 2})\n"
    said = their_tests(text, "-p", "xdist", "-p", "xdist.looponfail", "-n", "2", ini="remus_leftovers = report")
    assert "     1 test_theirs.py::test_one" in said and "     2 test_theirs.py::test_two" in said


def test_a_server_that_ends_shows_its_log(their_tests):
    said = their_tests("""
import pytest, redis
from redis.backoff import NoBackoff
from redis.retry import Retry

def test_ends(remus):
    with pytest.raises(redis.exceptions.ConnectionError):
        remus.set_retry(Retry(NoBackoff(), 0))
        remus.shutdown(nosave=True)
        remus.get("k")
    assert 0

def test_next(remus):
    pass
""", status=1)
    assert "User requested shutdown" in said
    assert "has ended" in said
    assert "the session's remus-server has ended" in said
    assert "1 failed, 1 error" in said


def test_wrong_settings_are_refused(their_tests):
    assert "remus_leftovers is ignore, report or fail, not 'x'" in their_tests(
        "def test_one():\n    pass\n", ini="remus_leftovers = x", status=4)
