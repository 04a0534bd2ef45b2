"""Python programs that keep locks, limits and queues in scripts: python locks_program.py PORT [NAME...].

redis-py's register_script and Lock, Redlock (redlock-py, pottery), python-redis-lock, limits, huey, dramatiq; a package
that is not there is left out. Prints "ok NAME" for each.
"""

import importlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import redis

PORT = int(sys.argv[1])
db = redis.Redis(port=PORT)


def servers(count):
    """Databases stand for servers."""
    return [redis.Redis(port=PORT, db=n) for n in range(count)]


def one_at_a_time(enter, leave, times=40, threads=8):
    """How many were inside a critical section at most, and how often it was entered."""
    inside, most, entered, guard = 0, 0, 0, threading.Lock()

    def through(_):
        nonlocal inside, most, entered
        held = enter()
        with guard:
            inside += 1
            entered += 1
            most = max(most, inside)
        time.sleep(0.001)
        with guard:
            inside -= 1
        leave(held)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(through, range(times)))
    assert (most, entered) == (1, times), (most, entered)


def refused(call, errors=Exception):
    try:
        call()
    except errors:
        return True
    return False


def redis_py():
    add = db.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert [add(keys=["n"], args=[2]) for _ in range(3)] == [2, 4, 6]
    db.script_flush()
    assert add(keys=["n"], args=[1]) == 7                      # NOSCRIPT: the text is sent
    db.script_flush()
    pipe = db.pipeline()
    add(keys=["n"], args=[1], client=pipe)
    pipe.get("n")
    assert pipe.execute() == [8, b"8"]
    fails = db.register_script("return redis.call('INCR', 'a', 'b')")
    assert refused(fails, redis.ResponseError)

    def enter():
        lock = db.lock("lock", timeout=10, sleep=0.002)
        assert lock.acquire(blocking_timeout=20)
        return lock

    one_at_a_time(enter, lambda lock: lock.release())
    lock = enter()
    assert lock.owned() and lock.extend(5) and lock.reacquire()
    assert not db.lock("lock", blocking=False).acquire()
    db.set("lock", "somebody else's")
    assert refused(lock.release, redis.exceptions.LockError)


def redlock():
    from redlock import Redlock

    three = [{"host": "127.0.0.1", "port": PORT, "db": n} for n in range(3)]
    manager = Redlock(three, retry_count=500, retry_delay=0.005)
    one_at_a_time(lambda: manager.lock("resource", 10000), manager.unlock)
    held = manager.lock("resource", 10000)
    impatient = Redlock(three, retry_count=1)
    assert not impatient.lock("resource", 1000)
    manager.unlock(held)
    assert impatient.lock("resource", 1000)


def pottery():
    from pottery import NextID, RedisCounter, RedisDeque, RedisDict, RedisList, RedisSet, Redlock as Lock

    masters = set(servers(3))

    def enter():
        lock = Lock(key="printer", masters=masters, auto_release_time=10)
        assert lock.acquire(timeout=30)
        return lock

    one_at_a_time(enter, lambda lock: lock.release(), times=10, threads=3)
    lock = enter()
    assert 9 < lock.locked() <= 10
    lock.extend()
    lock.release()
    ids = NextID(key="ids", masters=masters)
    assert [next(ids) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert len(RedisDict({"a": 1, "b": [2]}, redis=db)) == 2
    assert list(RedisList(range(5), redis=db)[1:3]) == [1, 2] and RedisSet({1, 2}, redis=db) == {1, 2}
    assert RedisDeque([1, 2], maxlen=2, redis=db).pop() == 2 and RedisCounter({"a": 2}, redis=db)["a"] == 2


def redis_lock():
    import redis_lock as module

    def enter():
        lock = module.Lock(db, "name", expire=60)
        assert lock.acquire(timeout=30)                        # waits with BLPOP
        return lock

    one_at_a_time(enter, lambda lock: lock.release())
    with module.Lock(db, "kept", expire=1, auto_renewal=True):
        time.sleep(1.5)
        assert not module.Lock(db, "kept").acquire(blocking=False)
    module.Lock(db, "kept", expire=10).acquire()
    module.reset_all(db)
    assert module.Lock(db, "kept", expire=10).acquire(blocking=False)


def limits():
    from limits import parse, storage, strategies

    kept = storage.storage_from_string(f"redis://127.0.0.1:{PORT}")
    for number, strategy in enumerate((strategies.FixedWindowRateLimiter, strategies.MovingWindowRateLimiter,
                                       strategies.SlidingWindowCounterRateLimiter)):
        limiter, limit = strategy(kept), parse("5/minute")
        assert [limiter.hit(limit, "who", str(number)) for _ in range(8)] == [True] * 5 + [False] * 3
        assert not limiter.test(limit, "who", str(number))
        assert limiter.get_window_stats(limit, "who", str(number)).remaining == 0
        limiter.clear(limit, "who", str(number))
        assert limiter.hit(limit, "who", str(number))


def huey():
    from huey import PriorityRedisHuey, RedisHuey

    for kind in (RedisHuey, PriorityRedisHuey):
        app = kind("app", port=PORT)
        results = []

        @app.task(retries=2)
        def work(n, results=results):
            results.append(n)
            if len(results) == 1:
                raise ValueError("the first")
            return n

        consumer = app.create_consumer(workers=4, periodic=False, scheduler_interval=1, max_delay=0.05)
        consumer.start()
        try:
            pending = [work(n) for n in range(100)]
            assert [result.get(blocking=True, timeout=30) for result in pending[1:]] == list(range(1, 100))
            assert work.schedule((7,), delay=1).get(blocking=True, timeout=30) == 7
            with app.lock_task("lock"):
                assert app.is_locked("lock")
        finally:
            consumer.stop(graceful=True)
        app.flush()


def dramatiq():
    import dramatiq as module
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.rate_limits import ConcurrentRateLimiter, WindowRateLimiter
    from dramatiq.rate_limits.backends import RedisBackend as Limits
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    broker = RedisBroker(host="127.0.0.1", port=PORT)
    broker.add_middleware(Results(backend=RedisBackend(host="127.0.0.1", port=PORT)))
    module.set_broker(broker)
    failures = []

    @module.actor(store_results=True, max_retries=2, min_backoff=10)
    def double(n):
        if n == 3 and not failures:
            failures.append(n)
            raise ValueError("once")
        return 2 * n

    worker = module.Worker(broker, worker_threads=8)
    worker.start()
    try:
        messages = [double.send(n) for n in range(300)]
        assert [message.get_result(block=True, timeout=30000) for message in messages] == [2 * n for n in range(300)]
        late = double.send_with_options(args=(50,), delay=300)
        assert late.get_result(block=True, timeout=30000) == 100
        group = module.group([double.message(n) for n in range(20)]).run()
        assert list(group.get_results(block=True, timeout=30000)) == [2 * n for n in range(20)]
        broker.join(double.queue_name, timeout=30000)
    finally:
        worker.stop()
    backend = Limits(host="127.0.0.1", port=PORT)
    mutex = ConcurrentRateLimiter(backend, "mutex", limit=1)
    with mutex.acquire():
        with mutex.acquire(raise_on_failure=False) as got:
            assert not got
    window = WindowRateLimiter(backend, "window", limit=2, window=60)
    got = []
    for _ in range(3):
        with window.acquire(raise_on_failure=False) as one:
            got.append(one)
    assert got == [True, True, False]


PROGRAMS = {f.__name__: f for f in (redis_py, redlock, pottery, redis_lock, limits, huey, dramatiq)}

for name in sys.argv[2:] or PROGRAMS:
    if name != "redis_py":
        try:
            importlib.import_module(name)
        except ImportError:
            print("left out:", name)
            continue
    db.flushall()
    PROGRAMS[name]()
    print("ok", name, flush=True)
