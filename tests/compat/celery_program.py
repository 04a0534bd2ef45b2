"""Celery with a Redis broker and result backend: python celery_program.py PORT, where `import celery` works.

Prints "ok" when all is well.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from celery import Celery, chain, chord, group
from celery.exceptions import Retry, TimeoutError
from redis import Redis

PORT = int(os.environ.get("CELERY_PROGRAM_PORT") or sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
app = Celery("celery_program", broker=f"redis://127.0.0.1:{PORT}/0", backend=f"redis://127.0.0.1:{PORT}/1")
app.conf.update(
    broker_transport_options={"visibility_timeout": 3600, "queue_order_strategy": "priority",
                              "priority_steps": [0, 3, 6, 9]},
    task_track_started=True, task_acks_late=True, result_extended=True, worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    beat_schedule={"tick": {"task": "celery_program.tick", "schedule": 0.3}},
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def flaky(self, times):
    if self.request.retries < times:
        raise self.retry(countdown=0.1, exc=Retry())
    return self.request.retries


@app.task(bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"part": 50})
    time.sleep(0.5)
    return "done"


@app.task
def tick():
    with Redis(port=PORT, db=2) as redis:
        redis.incr("ticks")


@app.task
def sleepy(seconds):
    time.sleep(seconds)


def until(condition, what, seconds=60.0):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.05)


def main():
    redis = Redis(port=PORT)
    redis.flushall()
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_program", "worker", "--beat", "--concurrency", "4",
         "-l", "WARNING", "-E", "-s", os.path.join(os.environ.get("TMPDIR", "/tmp"), f"celerybeat-{os.getpid()}")],
        cwd=HERE, env={**os.environ, "CELERY_PROGRAM_PORT": str(PORT), "C_FORCE_ROOT": "1"})
    try:
        assert add.delay(1, 2).get(timeout=60) == 3
        many = [add.delay(n, n) for n in range(500)]
        assert [result.get(timeout=60) for result in many] == [2 * n for n in range(500)]
        assert group(add.s(n, 1) for n in range(100))().get(timeout=60) == list(range(1, 101))
        assert chord((add.s(n, n) for n in range(50)), total.s())().get(timeout=60) == 2450
        assert chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=60) == 10
        nested = chain(group(add.s(1, 1), add.s(2, 2)), total.s(), group(add.s(1), add.s(2)))()
        assert nested.get(timeout=60) == [7, 8]
        broken = chord([add.s(1, 1), fail.s("in a chord")], total.s())()
        try:
            broken.get(timeout=60)
            raise AssertionError("a chord with a failing part")
        except Exception as error:
            assert "in a chord" in str(error), error
        failed = fail.delay("plain")
        assert "plain" in str(failed.get(timeout=60, propagate=False)) and failed.status == "FAILURE"
        assert flaky.delay(2).get(timeout=60) == 2
        begin = time.time()
        late = [add.apply_async((1, n), countdown=1) for n in range(10)]
        late += [add.apply_async((2, 2), eta=datetime.now(UTC) + timedelta(seconds=1.5))]
        assert [result.get(timeout=60) for result in late] == [*range(1, 11), 4]
        assert time.time() - begin >= 1.4
        expired = add.apply_async((1, 1), countdown=1, expires=0.5)
        seen = []
        assert progress.delay().get(timeout=60, on_message=lambda body: seen.append(body["status"])) == "done"
        assert "PROGRESS" in seen, seen
        for priority in (9, 0, 3):
            add.apply_async((0, priority), priority=priority).get(timeout=60)
        try:
            sleepy.delay(3).get(timeout=0.2)
            raise AssertionError("no timeout")
        except TimeoutError:
            pass
        until(lambda: expired.status == "REVOKED", "expired")
        revoked = sleepy.apply_async((60,))
        until(lambda: revoked.status == "STARTED", "started")
        revoked.revoke(terminate=True)                             # over pub/sub (a fanout exchange)
        until(lambda: revoked.status == "REVOKED", "revoked")
        assert [next(iter(reply.values())) for reply in app.control.ping(timeout=5)] == [{"ok": "pong"}]
        assert app.control.inspect().registered() and app.control.inspect().stats()
        until(lambda: int(Redis(port=PORT, db=2).get("ticks") or 0) >= 3, "beat")
        again = add.delay(5, 5)
        again.get(timeout=60)
        again.forget()
        assert not Redis(port=PORT, db=1).exists(f"celery-task-meta-{again.id}")

        # killed in the middle of its work: what was not acknowledged comes back to another worker
        waiting = [add.apply_async((n, 1), countdown=1) for n in range(20)]
        worker.terminate()                                         # puts back what it has
        worker.wait(60)
        worker = subprocess.Popen(worker.args, cwd=HERE,
                                  env={**os.environ, "CELERY_PROGRAM_PORT": str(PORT), "C_FORCE_ROOT": "1"})
        assert [result.get(timeout=60) for result in waiting] == list(range(1, 21))
        app.control.purge()
    finally:
        worker.terminate()
        worker.wait(60)
    print("ok")


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    import celery_program  # tasks are known by the name that workers import them by

    celery_program.main()
