"""redis-py's ordinary use, in RESP2 and RESP3: the parts of the client that rely on what a server says of itself."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.secure import secure_server
from tests.support.server import Server, wait_until

redis = pytest.importorskip("redis")


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def db(request: pytest.FixtureRequest, server: Server) -> Iterator[Any]:
    with server.redis(protocol=request.param, decode_responses=True) as db:
        yield db


# ---- values
def test_strings(db):
    assert db.set("k", "v") is True
    assert db.set("k", "w", nx=True) is None
    assert db.set("k", "w", get=True) == "v"
    assert db.getdel("k") == "w"
    assert db.mset({"a": 1, "b": 2}) is True
    assert db.mget("a", "none", "b") == ["1", None, "2"]
    assert db.incrbyfloat("a", 0.5) == 1.5
    assert db.append("b", "x") == 2
    assert db.set("t", "v", ex=100) is True
    assert db.ttl("t") == 100
    assert db.expire("t", 50, lt=True) is True
    assert db.delete("a", "b", "none") == 2


def test_lists(db):
    assert db.rpush("l", *"abcd") == 4
    assert db.lrange("l", 0, -1) == list("abcd")
    assert db.lpop("l", 2) == ["a", "b"]
    assert db.blpop("l", 1) in (("l", "c"), ["l", "c"])
    assert db.blpop("none", 0.01) is None
    assert db.lmove("l", "m", "LEFT", "RIGHT") == "d"


def test_hashes(db):
    assert db.hset("h", "f", 1, mapping={"g": 2}) == 2
    assert db.hgetall("h") == {"f": "1", "g": "2"}
    assert db.hmget("h", "f", "none") == ["1", None]
    assert db.hincrby("h", "f", 5) == 6
    assert dict(db.hscan_iter("h")) == {"f": "6", "g": "2"}
    assert db.hexists("h", "none") is False


def test_sets(db):
    assert db.sadd("s", *"abc") == 3
    assert db.smembers("s") == set("abc")
    assert db.sismember("s", "a") == 1
    assert db.sinter("s", "s") == set("abc")
    assert set(db.sscan_iter("s")) == set("abc")


def test_sorted_sets(db):
    assert db.zadd("z", {"a": 1, "b": 2.5}) == 2
    assert [tuple(pair) for pair in db.zrange("z", 0, -1, withscores=True)] == [("a", 1.0), ("b", 2.5)]
    assert db.zscore("z", "b") == 2.5
    assert db.zrank("z", "b") == 1
    assert db.zincrby("z", 1, "a") == 2.0
    assert [tuple(pair) for pair in db.zpopmin("z", 1)] == [("a", 2.0)]
    assert dict(db.zscan_iter("z")) == {"b": 2.5}


def test_keys(db):
    db.mset({f"k{i}": i for i in range(100)})
    assert set(db.scan_iter(match="k1*", count=7)) == {"k1", *(f"k1{i}" for i in range(10))}
    assert set(db.keys("k?")) == {f"k{i}" for i in range(10)}
    assert db.type("k1") == "string"
    assert db.rename("k1", "moved") is True
    assert db.object("encoding", "moved") == "int"
    assert db.exists("k2", "k3", "none") == 2
    assert db.dbsize() == 100
    assert db.flushdb() is True


# ---- several commands as one
def test_pipelines_and_transactions(db):
    with db.pipeline(transaction=False) as pipe:
        assert pipe.set("n", 1).incr("n").get("n").execute() == [True, 2, "2"]
    with db.pipeline() as pipe:
        assert pipe.incr("n").hset("h", "f", 1).hgetall("h").execute() == [3, 1, {"f": "1"}]
    with db.pipeline() as pipe, pytest.raises(redis.ResponseError, match=r"Command # 1 \(LPUSH n 1\).*WRONGTYPE"):
        pipe.lpush("n", 1).set("after", 1).execute()
    assert db.get("after") == "1"


def test_watch(db):
    tries = []

    def add_ten(pipe: Any) -> None:
        tries.append(int(pipe.get("n") or 0))
        if len(tries) == 1:
            db.set("n", 5)
        pipe.multi()
        pipe.set("n", tries[-1] + 10)

    assert db.transaction(add_ten, "n") == [True]
    assert tries == [0, 5] and db.get("n") == "15"


# ---- messages
def test_publish_and_subscribe(db):
    with db.pubsub(ignore_subscribe_messages=True) as p:
        p.subscribe("news")
        p.psubscribe("n*")
        wait_until(lambda: p.get_message() is None and db.publish("news", "hello") == 2)
        got = [wait_until(p.get_message) for _ in range(2)]
        assert [(m["type"], m["channel"], m["data"]) for m in got] == [
            ("message", "news", "hello"), ("pmessage", "news", "hello")]
        p.ping()
        p.unsubscribe()
        assert db.pubsub_numsub("news") == [("news", 0)]


def test_keyspace_events(db, configure):
    configure("notify-keyspace-events", "KEA")
    with db.pubsub(ignore_subscribe_messages=True) as p:
        p.psubscribe("__keyspace@*")
        wait_until(lambda: p.get_message() is None and db.pubsub_numpat() == 1)
        db.set("k", 1)
        assert wait_until(p.get_message)["data"] == "set"


def test_monitor(db):
    with db.monitor() as m:
        db.set("k", "v")
        commands = m.listen()
        assert next(c for c in commands if c["command"].startswith("SET"))["command"] == "SET k v"


# ---- the server itself
def test_what_the_server_says_of_itself(db):
    info = db.info()
    assert info["redis_version"].startswith("7.2") and info["connected_clients"] >= 1
    db.set("k", 1)
    assert db.info("keyspace")["db0"]["keys"] == 1
    assert "cmdstat_set" in db.info("commandstats")
    assert db.config_get("maxmemory*")["maxmemory"] == "0"
    assert db.config_set("hz", 11) and db.config_get("hz") == {"hz": "11"} and db.config_set("hz", 10)
    assert db.client_setname("me") is True and db.client_getname() == "me"
    me = next(c for c in db.client_list() if c["name"] == "me")
    assert int(me["id"]) == db.client_id() and me["lib-name"].startswith("redis-py")
    assert db.client_info()["cmd"] == "client|info"
    assert db.command_count() > 100 and db.command()["get"]["arity"] == 2
    assert isinstance(db.slowlog_get(), list) and db.slowlog_len() >= 0
    assert db.memory_usage("k") > 0
    assert len(db.time()) == 2
    assert db.role()[0] == "master"
    assert db.lolwut().startswith(("Redis ver", "Remus")) or "ver" in db.lolwut()
    assert db.echo("x") == "x" and db.ping() is True


def test_errors_have_their_classes(db, server):
    db.set("k", "v")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        db.incr("k")
    with pytest.raises(redis.ResponseError, match="wrong kind of value"):
        db.lpush("k", 1)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        db.execute_command("NONSENSE")


def test_a_password(new_server):
    server = new_server(requirepass="secret")
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    for protocol in (2, 3):
        with pytest.raises(redis.AuthenticationError):
            server.redis(protocol=protocol, retry=once).ping()
        with pytest.raises(redis.AuthenticationError):
            server.redis(protocol=protocol, password="wrong", retry=once).ping()
        assert server.redis(protocol=protocol, password="secret").ping() is True
        assert server.redis(protocol=protocol, username="default", password="secret").ping() is True


def test_unix_socket_and_url(new_server):
    server = new_server(unixsocket="sock")
    assert redis.Redis(unix_socket_path=str(server.folder / "sock")).ping() is True
    assert redis.from_url(f"redis://127.0.0.1:{server.port}/3?protocol=3").set("k", 1) is True
    assert server.redis(db=3).get("k") == b"1"


def test_it_connects_again_after_a_restart(new_server):
    server = new_server()
    db = server.redis()
    assert db.ping()
    server.restart()
    assert db.ping()


# ---- many at once
def test_a_pool_of_threads(db):
    def add() -> None:
        for _ in range(100):
            db.incr("n")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.get("n") == "800"


def test_a_lock(db):
    if "evalsha" not in db.command():
        pytest.skip("locks are released by a script")
    with db.lock("lock", timeout=10, blocking_timeout=1):
        assert not db.lock("lock").acquire(blocking=False)
    assert db.lock("lock").acquire(blocking=False)


@pytest.mark.parametrize("protocol", [2, 3])
def test_asyncio(server, protocol):
    from redis import asyncio as aioredis

    async def use() -> list[Any]:
        async with aioredis.Redis(port=server.port, protocol=protocol, decode_responses=True) as db:
            await asyncio.gather(*(db.incr("n") for _ in range(100)))
            async with db.pubsub() as p:
                await p.subscribe("c")
                assert (await p.get_message(timeout=5))["type"] == "subscribe"
                await db.publish("c", "hello")
                message = await p.get_message(timeout=5)
            async with db.pipeline() as pipe:
                return [message["data"], *await pipe.get("n").incr("n").execute()]

    assert asyncio.run(use()) == ["hello", "100", 101]


def test_every_library_that_names_itself_is_listed(db):
    db.client_setinfo("lib-name", "mine")
    assert db.client_info()["lib-name"] == "mine"


@pytest.fixture
def secured(tmp_path):
    """Its TLS port's options for redis.Redis, and a plain connection to the same server."""
    authority = Authority(tmp_path / "authority")
    server, port = secure_server(tmp_path / "server", authority)
    cert, key = authority.issue("client")
    with server, server.connect() as raw:
        yield {"port": port, "ssl": True, "ssl_ca_certs": str(authority.file), "ssl_certfile": str(cert),
               "ssl_keyfile": str(key)}, raw


@pytest.fixture
def caching(monkeypatch):
    """What a client that caches is made with. redis-py asks for a server that calls itself 7.4; the protocol is that of
    6.0."""
    from redis.cache import CacheConfig
    from redis.connection import CacheProxyConnection

    monkeypatch.setattr(CacheProxyConnection, "MIN_ALLOWED_VERSION", "7.2.0")
    return {"protocol": 3, "decode_responses": True, "cache_config": CacheConfig(max_size=100)}


def test_client_side_cache(server, raw, caching):
    with server.redis(**caching) as db:
        use_cache(db, raw)


def test_client_side_cache_over_tls(secured, caching):
    options, raw = secured
    with redis.Redis("localhost", **options, **caching) as db:
        use_cache(db, raw)


def use_cache(db, raw):
    """redis-py keeps what it has read, and drops what it is told to drop: what it answers itself is no command."""
    def reads() -> int:
        fields = dict(line.split(":", 1) for line in raw("INFO", "commandstats").decode().splitlines() if ":" in line)
        return int(fields.get("cmdstat_get", "calls=0").split(",")[0].removeprefix("calls="))

    raw("SET", "k", "1")
    raw("HSET", "h", "f", "v")
    assert db.get("k") == "1" and db.hgetall("h") == {"f": "v"}
    before = reads()
    assert [db.get("k") for _ in range(10)] == ["1"] * 10
    assert reads() == before and db.get_cache().size == 2
    raw("SET", "k", "2")
    wait_until(lambda: db.get("k") == "2", "it to be told")
    db.set("k", "3")
    wait_until(lambda: db.get("k") == "3", "it to be told of its own write")
    raw("PEXPIRE", "h", "1")
    wait_until(lambda: db.hgetall("h") == {}, "the hash to expire")
    raw("FLUSHALL")
    wait_until(lambda: db.get("k") is None, "the flush")
    assert b"tracking_clients:1\r" in raw("INFO", "clients")
