"""RQ against a server: python rq_program.py PORT, where `import rq` works. Prints "ok" when all is well."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import rq
import rq.command
from redis import Redis
from rq import Queue, Retry
from rq.job import Dependency, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

PORT = int(os.environ.get("RQ_PROGRAM_PORT") or sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))


# ---- what workers do (imported there as rq_program.NAME)
def double(n: int) -> int:
    return 2 * n


def fail(text: str) -> None:
    raise ValueError(text)


def fail_until(key: str, times: int) -> int:
    with Redis(port=PORT) as redis:
        attempts = redis.incr(key)
    if attempts < times:
        raise ValueError(f"attempt {attempts}")
    return attempts


def sleepy(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def until(condition, what: str, seconds: float = 30.0):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.02)


def start_worker(*arguments: str) -> subprocess.Popen:
    code = "import sys; from rq.cli import main; sys.argv[0] = 'rq'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "worker", "--url", f"redis://127.0.0.1:{PORT}/0", "--path", HERE, "--quiet",
         *arguments],
        env={**os.environ, "RQ_PROGRAM_PORT": str(PORT)}, cwd=HERE)


def burst(*queues: str) -> None:
    assert start_worker("--burst", *queues).wait(120) == 0


def main() -> None:
    redis = Redis(port=PORT)
    redis.flushall()
    queue = Queue("work", connection=redis)

    jobs = [queue.enqueue("rq_program.double", n, job_id=f"n{n}", meta={"n": n}) for n in range(20)]
    many = queue.enqueue_many([Queue.prepare_data("rq_program.double", (n,)) for n in range(20)])
    bad = queue.enqueue("rq_program.fail", "no good", result_ttl=50)
    after = queue.enqueue("rq_program.double", 21, depends_on=[jobs[0], jobs[1]])
    never = queue.enqueue("rq_program.double", 1, depends_on=bad)
    anyway = queue.enqueue("rq_program.double", 2, depends_on=Dependency(jobs=[bad], allow_failure=True))
    first = queue.enqueue("rq_program.double", 3, at_front=True)
    assert queue.count == 42 and queue.job_ids[0] == first.id
    assert jobs[3].get_position() == 4
    burst("work")
    assert [job.return_value() for job in jobs] == [2 * n for n in range(20)]
    assert [job.return_value(refresh=True) for job in many] == [2 * n for n in range(20)]
    assert bad.get_status() == JobStatus.FAILED and "no good" in bad.latest_result().exc_string
    assert FailedJobRegistry(queue=queue).get_job_ids() == [bad.id]
    assert len(FinishedJobRegistry(queue=queue)) == 43
    assert after.return_value(refresh=True) == 42 and anyway.return_value(refresh=True) == 4
    assert never.get_status() == JobStatus.DEFERRED
    FailedJobRegistry(queue=queue).requeue(bad)
    assert bad.get_status() == JobStatus.QUEUED
    bad.cancel()
    assert bad.get_status() == JobStatus.CANCELED
    jobs[0].delete()
    assert not redis.exists(jobs[0].key)

    retried = queue.enqueue("rq_program.fail_until", "attempts", 3, retry=Retry(max=4))
    burst("work")
    assert retried.get_status() == JobStatus.FINISHED and retried.return_value() == 3

    # several workers at once, with a scheduler among them
    workers = [start_worker("--with-scheduler", "work", "other"), start_worker("work")]
    try:
        late = queue.enqueue_in(timedelta(seconds=1), "rq_program.double", 50)
        soon = queue.enqueue_at(datetime.now(UTC) + timedelta(seconds=1), "rq_program.double", 51)
        waits = queue.enqueue("rq_program.fail_until", "interval", 2, retry=Retry(max=2, interval=1))
        assert late in ScheduledJobRegistry(queue=queue)
        crowd = [queue.enqueue("rq_program.double", n) for n in range(60)]
        until(lambda: all(job.get_status() == JobStatus.FINISHED for job in crowd), "the crowd")
        until(lambda: late.return_value(refresh=True) == 100 and soon.return_value(refresh=True) == 102, "scheduled")
        until(lambda: waits.return_value(refresh=True) == 2, "retried after an interval")
        until(lambda: len(rq.Worker.all(connection=redis)) == 2, "both are known")
        stopped = queue.enqueue("rq_program.sleepy", 60)
        until(lambda: stopped.get_status() == JobStatus.STARTED, "started")
        rq.command.send_stop_job_command(redis, stopped.id)        # over pub/sub
        until(lambda: stopped.get_status() in (JobStatus.STOPPED, JobStatus.FAILED), "stopped")
        slow = queue.enqueue("rq_program.sleepy", 60, job_timeout=1)
        until(lambda: slow.get_status() == JobStatus.FAILED, "timed out")
        for worker in rq.Worker.all(connection=redis):
            rq.command.send_shutdown_command(redis, worker.name)
        assert [worker.wait(30) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
    queue.empty()
    queue.delete(delete_jobs=True)
    print("ok")


if __name__ == "__main__":
    main()
