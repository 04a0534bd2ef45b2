"""How another thread asks the main thread, without a lock that the main thread would have to take.

The asker puts its question into a deque, hangs a hook into the loop and wakes it; the hook answers between two turns.
The hook takes itself off before it empties the deque: a question put after that finds the hook missing and hangs it
again, one put before is seen. So none is lost, and a loop without questions pays nothing.
"""

import os
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

WAKE = (1).to_bytes(8, "little")  # adds one to the loop's eventfd


class NoAnswer(Exception):
    """The main thread was busy (or ending) for longer than the asker wanted to wait."""


class Mailbox:
    """Questions to one server: functions of it, which its main thread calls."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._hook = self.answer  # one object: the loop compares hooks
        self._questions: deque[tuple[Callable[[Any], Any], SimpleQueue[Any]]] = deque()

    def ask(self, question: Callable[[Any], Any], seconds: float) -> Any:
        """`question(server)`, computed by the main thread; its exception is raised here. NoAnswer after `seconds`."""
        reply: SimpleQueue[Any] = SimpleQueue()
        self._questions.append((question, reply))
        self._server.loop.attend(self._hook)
        try:
            os.write(self._server.loop.io.wake_fd, WAKE)
            found = reply.get(timeout=seconds)
        except (Empty, OSError) as error:
            raise NoAnswer(f"no answer from the main thread within {seconds:g} s") from error
        if isinstance(found, Exception):
            raise found
        return found

    def answer(self) -> bool:
        """The loop's hook: answer everything. It asks for no further turn."""
        self._server.loop.attend(self._hook, False)
        while self._questions:
            question, reply = self._questions.popleft()
            try:
                reply.put(question(self._server))
            except Exception as error:  # the asker's business, never the loop's
                reply.put(error)
        return False
