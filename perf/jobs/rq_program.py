"""python rq_program.py PORT COUNT: so many small jobs are added, one by one, and done by one worker, which does not
fork."""

import os
import sys


def add(a: int, b: int) -> int:
    """A job."""
    return a + b


def main(port: int, count: int) -> None:
    """Add and do them."""
    from redis import Redis
    from rq import Queue, SimpleWorker

    redis = Redis(port=port)
    queue = Queue("jobs", connection=redis)
    for n in range(count):
        queue.enqueue("rq_program.add", n, 1, result_ttl=60)
    SimpleWorker([queue], connection=redis).work(burst=True, logging_level="ERROR")
    assert len(queue.finished_job_registry) == count


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main(*map(int, sys.argv[1:]))
