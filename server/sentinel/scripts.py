"""Scripts of the administrator's (notification-script, client-reconfig-script): a queue, of which some run.

What is to be begun and ended is told by `tick`; who carries it out says `began` and `ended`. A script that ends with
status 1 or by a signal is run again later, each time after twice as long.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.sentinel.actions import DEBUG, WARNING
from server.sentinel.settings import Timings

QUEUED_MAX = 256
RUNNING_MAX = 16
RUNS_MAX = 10
FORK_FAILED = 99                    # told in the place of a signal


@dataclass(slots=True, eq=False)
class Job:
    """One script with its arguments. pid: 0 unless it runs. at: when it began, or when it may begin again; 0: at once.
    runs: how often it was begun."""

    argv: tuple[str, ...]
    runs: int = 0
    at: int = 0
    running: bool = False
    pid: int = 0


class Scripts:
    """The queue. event: (level, name, None, text), as State.event."""

    def __init__(self, timings: Timings, event: Callable[[int, str, None, str], None]) -> None:
        self._timings = timings
        self._event = event
        self.jobs: list[Job] = []

    @property
    def running(self) -> int:
        """How many run."""
        return sum(job.running for job in self.jobs)

    def schedule(self, argv: Iterable[str]) -> None:
        """One more; if there are too many, the oldest one goes that does not run."""
        self.jobs.append(Job(tuple(argv)))
        if len(self.jobs) > QUEUED_MAX:
            self.jobs.remove(next(job for job in self.jobs if not job.running))

    def due(self, now: int) -> list[Job]:
        """Those to begin now, older ones first. They count as running."""
        if not self.jobs:
            return []
        room = RUNNING_MAX - self.running
        chosen = [job for job in self.jobs if not job.running and job.at <= now][:max(0, room)]
        for job in chosen:
            job.running = True
            job.at = now
            job.runs += 1
        return chosen

    def began(self, job: Job, pid: int) -> None:
        """It runs."""
        job.pid = pid
        self._event(DEBUG, "+script-child", None, str(pid))

    def not_begun(self, job: Job) -> None:
        """There could be no process for it: it stays in the queue."""
        self._event(WARNING, "-script-error", None, f"{job.argv[0]} {FORK_FAILED} 0")
        job.running = False

    def ended(self, job: Job, status: int, signal: int, now: int) -> None:
        """It is over. signal: that ended it, 0: none did."""
        self._event(DEBUG, "-script-child", None, f"{job.pid} {status} {signal}")
        job.running, job.pid = False, 0
        if (signal or status == 1) and job.runs != RUNS_MAX:
            job.at = now + self.delay(job.runs)
            return
        if signal or status:
            self._event(WARNING, "-script-error", None, f"{job.argv[0]} {signal} {status}")
        self.jobs.remove(job)

    def delay(self, runs: int) -> int:
        """ms before the next attempt."""
        return self._timings.script_retry_delay << max(0, runs - 1)

    def overdue(self, now: int) -> list[Job]:
        """Those that run for too long: they are to be killed."""
        late = [job for job in self.jobs if job.running and now - job.at > self._timings.script_max_runtime]
        for job in late:
            self._event(WARNING, "-script-timeout", None, f"{job.argv[0]} {job.pid}")
        return late
