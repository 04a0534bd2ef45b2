from server.dispatch.executor import Executor

class Served:
    """What was executed, by definitions and on fast paths."""

    def __init__(self, executor: Executor) -> None: ...
    @property
    def commands(self) -> int: ...
