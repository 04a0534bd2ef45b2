"""Counters that INFO shows and nobody else keeps: errors by code, and rates sampled by the cron."""

from collections import deque

from server.observe.error_counts import ErrorCounts
from server.registry.errors import CommandError

SAMPLES = 16


class Rate:
    """Events per second over the last samples (instantaneous_* of INFO)."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._last: tuple[int, int] | None = None
        self.set(0.0)

    def set(self, per_second: float) -> None:
        """What is told until the next sample: the mean, whole events of it, and thousands (1,024) of them."""
        self.per_second = per_second
        self.whole = int(per_second)
        self.kilo = per_second / 1024

    def sample(self, now_us: int, total: int) -> None:
        """Take a reading of a growing total."""
        if self._last is not None and now_us > self._last[0]:
            self._samples.append((total - self._last[1]) * 1e6 / (now_us - self._last[0]))
            self.set(max(0.0, sum(self._samples) / len(self._samples)))
        self._last = (now_us, total)

    def reset(self) -> None:
        """Forget the samples."""
        if self._last is None:
            return                     # there are none
        self._samples.clear()
        self._last = None
        self.set(0.0)


class Counters:
    """Counts by name: attributes, so that INFO reads them without a call."""

    @classmethod
    def show(cls, name: str) -> str:
        """One that is shown is zero until somebody counts; where to find it in Stats."""
        setattr(cls, name, 0)
        return f"counters.{name}"


KEPT = frozenset(f"acl_access_denied_{reason}" for reason in ("auth", "cmd", "key", "channel"))
_NOT_IN_NAMES = str.maketrans("#:\r\n", "____")


def error_name(code: str) -> str:
    """An error's code as it may stand before the colon in INFO."""
    return code.translate(_NOT_IN_NAMES)


class Stats:
    """Plain counters by name (`stats.evicted_clients += 1`); zero until somebody counts."""

    def __init__(self) -> None:
        self.commands_rate, self.input_rate, self.output_rate, self.cycle_rate = Rate(), Rate(), Rate(), Rate()
        self.repl_input_rate, self.repl_output_rate = Rate(), Rate()
        self.error_counts = ErrorCounts()
        self.turn_us = Rate()  # microseconds per turn of the loop: its time goes by a million a turn
        self.counters = Counters()
        self.reset()

    def reset(self) -> None:
        """CONFIG RESETSTAT. What is in KEPT goes on, as in Redis."""
        self.error_counts.reset()
        self.unexpected_error_replies = 0
        self.evicted_clients = 0
        self.forks = 0
        self.fork_us = 0
        self.net_input_bytes = 0
        self.net_output_bytes = 0
        for name in [name for name in vars(self.counters) if name not in KEPT]:
            delattr(self.counters, name)
        for rate in (self.commands_rate, self.input_rate, self.output_rate, self.cycle_rate, self.turn_us,
                     self.repl_input_rate, self.repl_output_rate):
            rate.reset()

    @property
    def errors(self) -> dict[str, int]:
        """Error replies by code."""
        return self.error_counts.by_code()

    @property
    def error_replies(self) -> int:
        """How many there were."""
        return self.error_counts.replies

    def count_error(self, error: CommandError) -> None:
        """One error reply. What a script passes on was counted when its command failed (`counted`)."""
        if not error.counted:
            self.error_counts.count(error.text)

    def errors_by_name(self) -> dict[str, int]:
        """How many errors there were, by name in valid Unicode."""
        found: dict[str, int] = {}
        for code, count in self.errors.items():
            name = error_name(code).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            found[name] = found.get(name, 0) + count
        return found

    def add(self, name: str, by: int = 1) -> None:
        """Count under a free name."""
        setattr(self.counters, name, getattr(self.counters, name, 0) + by)
