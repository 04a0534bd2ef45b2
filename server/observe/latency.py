"""Latency events: spikes above latency-monitor-threshold, by what caused them (LATENCY command)."""

import time
from collections import deque

from server.registry.command import FAST, Command
from server.registry.light import NamedTuple

HISTORY_MAX = 160


class Spike(NamedTuple):
    """One sample; several in the same second keep the highest."""

    unix_seconds: int
    milliseconds: int


class LatencyEvent:
    """The history of one event: the last 160 spikes and the worst ever."""

    def __init__(self) -> None:
        self.samples: deque[Spike] = deque(maxlen=HISTORY_MAX)
        self.worst = 0


class LatencyMonitor:
    """All events. `threshold_ms` 0 is off, and then nothing is measured."""

    def __init__(self) -> None:
        self.threshold_ms = 0
        self.events: dict[str, LatencyEvent] = {}

    def add(self, name: str, milliseconds: int) -> None:
        """Note a spike, if it is one."""
        if not self.threshold_ms or milliseconds < self.threshold_ms:
            return
        event = self.events.setdefault(name, LatencyEvent())
        event.worst = max(event.worst, milliseconds)
        now = int(time.time())
        if event.samples and event.samples[-1].unix_seconds == now:
            if event.samples[-1].milliseconds < milliseconds:
                event.samples[-1] = Spike(now, milliseconds)
            return
        event.samples.append(Spike(now, milliseconds))

    def command(self, command: Command, milliseconds: int) -> None:
        """A command that took so long: "command" or "fast-command"."""
        self.add("fast-command" if command.has(FAST) else "command", milliseconds)

    def reset(self, *names: str) -> int:
        """LATENCY RESET: forget these events, or all; how many there were."""
        if not self.events:
            return 0
        chosen = [name for name in dict.fromkeys(names) if name in self.events] if names else list(self.events)
        for name in chosen:
            del self.events[name]
        return len(chosen)
