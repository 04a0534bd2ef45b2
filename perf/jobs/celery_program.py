"""python celery_program.py PORT COUNT: so many small tasks are sent, done by a worker of four threads, and their
results fetched."""

import os
import subprocess
import sys

from celery import Celery

PORT = int(os.environ.get("CELERY_PROGRAM_PORT") or sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
app = Celery("celery_program", broker=f"redis://127.0.0.1:{PORT}/0", backend=f"redis://127.0.0.1:{PORT}/1")
app.conf.broker_connection_retry_on_startup = True


@app.task  # type: ignore[untyped-decorator]
def add(a: int, b: int) -> int:
    """A task."""
    return a + b


def main(count: int) -> None:
    """Send them, and wait for all results."""
    options = ["-A", "celery_program", "worker", "-P", "threads", "-c", "4", "-l", "ERROR"]
    worker = subprocess.Popen([sys.executable, "-m", "celery", *options], cwd=HERE, stdout=subprocess.DEVNULL,
                              env={**os.environ, "CELERY_PROGRAM_PORT": str(PORT), "C_FORCE_ROOT": "1"})
    try:
        sent = [add.delay(n, 1) for n in range(count)]
        assert [result.get(timeout=300) for result in sent] == [n + 1 for n in range(count)]
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main(int(sys.argv[2]))
