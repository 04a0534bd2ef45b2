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


class Question:
    """One question, where its reply goes, and whether anybody still waits for it."""

    __slots__ = ("abandoned", "function", "reply")

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.reply: SimpleQueue[Any] = SimpleQueue()
        self.abandoned = False


class Mailbox:
    """Questions to one server: functions of it, which its main thread calls."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._hook = self.answer  # one object: the loop compares hooks
        self._questions: deque[Question] = deque()

    def ask(self, function: Callable[[Any], Any], seconds: float) -> Any:
        """`function(server)`, computed by the main thread; its exception is raised here. NoAnswer after `seconds`."""
        question = Question(function)
        self._questions.append(question)
        self._server.loop.attend(self._hook)
        try:
            os.write(self._server.loop.io.wake_fd, WAKE)
            found = question.reply.get(timeout=seconds)
        except (Empty, OSError) as error:
            question.abandoned = True
            raise NoAnswer(f"no answer from the main thread within {seconds:g} s") from error
        try:
            if isinstance(found, Exception):
                raise found
            return found
        finally:
            del found  # an exception that its own traceback leads to would stay for ever

    def answer(self) -> bool:
        """The loop's hook: answer everything that is still waited for. It asks for no further turn."""
        self._server.loop.attend(self._hook, False)
        while self._questions:
            question = self._questions.popleft()
            if question.abandoned:
                continue
            try:
                question.reply.put(question.function(self._server))
            except Exception as error:  # the asker's business, never the loop's
                question.reply.put(error)
        return False
