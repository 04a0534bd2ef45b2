"""200 tests: 25 questions to the application and its Redis, eight times each with other numbers."""

import threading
import time
from typing import Any

import pytest
from shop import LIBRARY, Shop  # type: ignore[import-not-found]  # beside this file when it runs

pytestmark = pytest.mark.parametrize("n", range(8))


@pytest.fixture
def shop(client: Any) -> Shop:
    return Shop(client)


def text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def test_empty_at_first(client: Any, n: int) -> None:
    assert client.dbsize() == 0
    client.set("left", n)


def test_a_good(shop: Shop, client: Any, n: int) -> None:
    shop.add("chair", 10 + n, n, {"wood", "blue"})
    assert client.hgetall("good:chair") == {b"price": b"%d" % (10 + n), b"name": b"chair"}
    assert set(client.sinter("tag:wood", "tag:blue")) == {b"chair"}


def test_stock_by_script(shop: Shop, n: int) -> None:
    shop.add("chair", 1, 10, set())
    assert shop.take("chair", n) == 10 - n
    with pytest.raises(Exception, match="OUTOFSTOCK"):
        shop.take("chair", 11)


def test_a_script_by_its_sha(client: Any, n: int) -> None:
    double = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)")
    assert double(keys=["k"], args=[n]) == 2 * n
    assert client.script_exists(double.sha) == [True]


def test_a_function(shop: Shop, client: Any, n: int) -> None:
    shop.add("chair", 100, 1, set())
    client.function_load(LIBRARY, replace=True)
    client.fcall("discount", 1, "good:chair", n)
    assert int(client.hget("good:chair", "price")) == 100 - n


def test_moved_in_a_transaction(shop: Shop, client: Any, n: int) -> None:
    shop.add("a", 1, 10, set())
    assert shop.move("a", "b", n) and not shop.move("a", "b", 11)
    assert int(client.get("stock:b")) == n


def test_a_watched_key_that_changed(client: Any, connect: Any, n: int) -> None:
    client.set("k", n)
    with client.pipeline() as pipe:
        pipe.watch("k")
        connect().incr("k")
        pipe.multi()
        pipe.set("k", -1)
        with pytest.raises(Exception, match=r"[Ww]atched"):
            pipe.execute()
    assert int(client.get("k")) == n + 1


def test_a_session_ends(shop: Shop, client: Any, n: int) -> None:
    shop.log_in("ann", 100 + n)
    assert 0 < client.ttl("session:ann") <= 100 + n
    client.pexpire("session:ann", 5)
    time.sleep(0.02)
    assert client.get("session:ann") is None


def test_a_limit(shop: Shop, n: int) -> None:
    assert [shop.may("ann", n, 60) for _ in range(n + 1)] == [True] * n + [False]


def test_a_lock(shop: Shop, n: int) -> None:
    assert shop.lock("door", "ann") and not shop.lock("door", f"bob{n}")
    assert not shop.unlock("door", f"bob{n}") and shop.unlock("door", "ann")


def test_who_waits_is_fed_by_another(client: Any, connect: Any, n: int) -> None:
    found: list[Any] = []
    waits = threading.Thread(target=lambda: found.append(connect().blpop("queue", timeout=5)))
    waits.start()
    time.sleep(0.01)
    client.rpush("queue", n)
    waits.join(6)
    assert found == [(b"queue", b"%d" % n)]


def test_who_waits_for_a_stream(client: Any, connect: Any, n: int) -> None:
    found: list[Any] = []
    waits = threading.Thread(target=lambda: found.append(connect().xread({"s": "$"}, block=5000)))
    waits.start()
    while waits.is_alive():                             # until one comes after it began to wait
        client.xadd("s", {"n": n})
        time.sleep(0.01)
    waits.join(6)
    assert b"%d" % n in str(found).encode()


def test_consumers_of_a_group(shop: Shop, client: Any, n: int) -> None:
    client.xgroup_create("orders", "packers", id="0", mkstream=True)
    ids = [shop.order(number) for number in range(n + 1)]
    got = client.xreadgroup("packers", "ann", {"orders": ">"}, count=100)
    assert str(got).count("number") == n + 1
    assert client.xack("orders", "packers", *ids) == n + 1
    assert client.xpending("orders", "packers")["pending"] == 0


def test_published(client: Any, connect: Any, n: int) -> None:
    listener = connect().pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    assert client.publish("news", n) == 1
    assert listener.get_message(timeout=5)["data"] == b"%d" % n
    listener.close()


def test_events_of_keys(client: Any, connect: Any, n: int) -> None:
    client.config_set("notify-keyspace-events", "KEA")
    listener = connect().pubsub()
    listener.psubscribe("__keyevent@*__:set")
    listener.get_message(timeout=5)
    client.set(f"k{n}", n)
    message = listener.get_message(timeout=5)
    assert message is not None and message["data"] == b"k%d" % n
    listener.close()


def test_a_ranking(client: Any, n: int) -> None:
    client.zadd("rank", {f"p{i}": i * n for i in range(20)})
    assert client.zrevrange("rank", 0, 0) in ([b"p19"], [b"p9"])
    assert client.zrange("rank", n, "+inf", byscore=True, offset=0, num=3) == (
        [b"p1", b"p2", b"p3"] if n else [b"p0", b"p1", b"p10"])


def test_near_by(client: Any, n: int) -> None:
    client.geoadd("places", (13.361389 + n / 100, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
    assert client.geosearch("places", longitude=13.4, latitude=38.1, radius=50, unit="km") == [b"Palermo"]


def test_counted_approximately(client: Any, n: int) -> None:
    client.pfadd("seen", *range(100 * (n + 1)))
    assert abs(client.pfcount("seen") - 100 * (n + 1)) <= 5 * (n + 1)


def test_bits(client: Any, n: int) -> None:
    client.execute_command("BITFIELD", "b", "SET", "u8", 0, 200 + n, "INCRBY", "u8", 8, n)
    assert client.bitcount("b") == (200 + n).bit_count() + n.bit_count()


def test_dumped_and_restored(client: Any, n: int) -> None:
    client.rpush("l", *range(n + 1))
    client.restore("copy", 0, client.dump("l"))
    assert client.lrange("copy", 0, -1) == client.lrange("l", 0, -1)


def test_walked(client: Any, n: int) -> None:
    client.mset({f"k:{i}": i for i in range(50 * (n + 1))})
    assert len(set(client.scan_iter("k:*", count=50))) == 50 * (n + 1)


def test_memory_has_a_limit(client: Any, n: int) -> None:
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Exception, match=r"OOM|maxmemory"):
            client.set("k", "v" * (n + 1))
    finally:
        client.config_set("maxmemory", 0)


def test_who_is_connected(client: Any, connect: Any, n: int) -> None:
    other = connect()
    other.client_setname(f"name-{n}")
    assert f"name-{n}" in [entry["name"] for entry in client.client_list()]


def test_a_user_who_may_not_write(client: Any, connect: Any, n: int) -> None:
    client.acl_setuser("reader", enabled=True, nopass=True, reset=True, categories=["+@read"], keys=["*"])
    reader = connect(username="reader", password="any")
    assert reader.get(f"k{n}") is None
    with pytest.raises(Exception, match="permission"):
        reader.set(f"k{n}", n)
    client.acl_deluser("reader")


def test_encodings_and_idle_times(client: Any, n: int) -> None:
    client.rpush("l", n)
    assert text(client.object("encoding", "l")) in ("listpack", "quicklist", "ziplist")
    assert client.object("idletime", "l") < 5
