from collections.abc import Callable
from typing import Any

class Loop:
    io: Any
    to_flush: list[Any]
    to_close: list[Any]
    to_resume: list[Any]
    before_sleep: list[Callable[[], Any]]
    on_accept: Any
    on_closed: Any
    on_output: Any
    output_watermark: int
    timers: Any
    stopping: bool
    cycles: int
    duration_us: int
    command_us: int
    longest_us: int
    fast_commands: int
    commands_per_cycle_max: int
    def __init__(self, io: Any, server: Any, executor: Any) -> None: ...
    def run(self) -> None: ...
    def turn_once(self, timeout_ms: int) -> None: ...
    def attend(self, hook: Callable[[], Any], yes: bool = True) -> None: ...
    def resume(self, client: Any) -> None: ...
    def listen(self, sockets: list[Any]) -> None: ...
    def resize(self, threads: int) -> None: ...
    def lane_stats(self) -> list[dict[str, int]]: ...
    def reset_stats(self) -> None: ...
