"""Hot keys: the session of HOTKEYS, and what cron and configuration do about sampling (server.dispatch.sampling).

A session counts as Redis 8.6 does, with two differences that help: figures of keys are scaled by SAMPLE, so that they
compare with the totals beside them, and processor time is counted in nanoseconds and rounded when it is shown.
"""

import resource

from server.config.config import Config
from server.dispatch.record import all_records
from server.observe.hot_keys import HotKey
from server.registry import clock
from server.registry.dataclass import dataclass
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.server import Server

COUNTERS_PER_KEY = 10  # of a session: with ten times as many counters as keys asked for, errors hardly matter
COUNTERS_MIN = 256
FADE_MS = 1000


@dataclass(frozen=True)
class Totals:
    """The server's work at one moment; differences of two are a session's."""

    command_us: int  # of commands that have keys
    payload: int  # bytes of their requests and replies
    user_ms: float
    system_ms: float


def totals(server: "Server") -> Totals:
    """Now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    payload = sum(bytes_ for (_, kind), (_, bytes_) in server.loop.load.payloads().items() if kind != "other")
    spent = sum(record.microseconds for record in all_records() if record.first_key >= 0)
    return Totals(spent, payload, usage.ru_utime * 1000, usage.ru_stime * 1000)


@dataclass
class Session:
    """One HOTKEYS START."""

    server: "Server"
    cpu: bool
    net: bool
    count: int  # keys to show of each
    seconds: int  # 0: until it is stopped
    sample: int  # commands per sampled one
    slots: frozenset[int] | None
    started_ms: int = 0  # Unix time, for the reply
    _started_us: int = 0  # monotonic
    _ended_us: int = 0  # monotonic; 0: it is active
    end: Totals | None = None

    def __post_init__(self) -> None:
        self.started_ms = clock.unix_ms()
        self._started_us = clock.monotonic_now_us()
        self.begin = totals(self.server)
        capacity = max(COUNTERS_MIN, self.count * COUNTERS_PER_KEY)
        self.server.loop.sampling.begin(self.sample, self.cpu, self.net, capacity, self.slots)

    @property
    def active(self) -> bool:
        """Whether it still counts; one whose time is over ends here."""
        end_us = self._started_us + self.seconds * 1_000_000
        if not self._ended_us and self.seconds and clock.monotonic_now_us() >= end_us:
            self.stop()
            self._ended_us = end_us
        return not self._ended_us

    def stop(self) -> None:
        """HOTKEYS STOP."""
        self._ended_us = clock.monotonic_now_us()
        self.end = totals(self.server)
        self.server.loop.sampling.end()

    @property
    def duration_ms(self) -> int:
        """So far, or in all."""
        return ((self._ended_us or clock.monotonic_now_us()) - self._started_us) // 1000

    def spent(self) -> Totals:
        """What the server did meanwhile. CONFIG RESETSTAT makes the rest of it all there is."""
        now, then = self.end or totals(self.server), self.begin
        return Totals(
            now.command_us - then.command_us if now.command_us >= then.command_us else now.command_us,
            now.payload - then.payload if now.payload >= then.payload else now.payload,
            now.user_ms - then.user_ms,
            now.system_ms - then.system_ms,
        )


class Upkeep:
    """What goes on without anybody asking: sampling by hot-keys-sample, fading counts, and the end of a session."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._last_us = clock.monotonic_now_us()

    def follow(self, config: Config) -> None:
        """hot-keys-sample."""
        self._server.loop.sampling.sample(config.hot_keys_sample)

    @property
    def every(self) -> int:
        """One in so many commands is looked at; 0: none."""
        return int(self._server.config.hot_keys_sample)

    def hottest(self, count: int) -> list[tuple[HotKey, float]]:
        """The keys with most accesses lately, and how many a second (an estimate that is not too high). What was
        sampled only once says nothing: such keys are left out, unless each command is."""
        sampling, once = self._server.loop.sampling, self.every if self.every > 1 else 0
        return [(each, sampling.rate(each.least)) for each in sampling.accesses.top(count) if each.least > once]

    def tick(self) -> None:
        """From the cron, every FADE_MS."""
        now = clock.monotonic_now_us()
        self._server.loop.sampling.fade((now - self._last_us) / 1e6)
        self._last_us = now
        if self._server.hot_keys is not None:
            _ = self._server.hot_keys.active
