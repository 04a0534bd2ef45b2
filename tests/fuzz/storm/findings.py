"""What the storm finds, and how it is told: what was sent last, and with which seed it comes again."""

import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.resp import RespError, as_bytes

REMEMBERED = 3000
SHORT = 200  # bytes of a word that are written down


class Finding(Exception):
    """A server did what none may do. about: keys whose history tells most."""

    def __init__(self, kind: str, detail: str, about: Iterable[bytes] = ()) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.about = set(about)

    @property
    def signature(self) -> str:
        """The same for what is probably the same fault: numbers, addresses and quoted words are left out."""
        return self.kind + ": " + re.sub(r"b?'[^']*'|\"[^\"]*\"|\d+", "_", self.detail)[:160]


# What shows that something went wrong, here or in a connection of tests.support.
BROKEN = (Finding, ConnectionError, TimeoutError, AssertionError, RespError)


class History:
    """The requests that were sent last, over all connections."""

    def __init__(self) -> None:
        self._sent: deque[tuple[str, tuple[bytes, ...]]] = deque(maxlen=REMEMBERED)
        self.count = 0

    def add(self, who: str, words: Iterable[Any]) -> None:
        self._sent.append((who, tuple(map(as_bytes, words))))
        self.count += 1

    def lines(self, about: set[bytes] | None = None) -> list[str]:
        """One for each request, oldest first; only those that name one of these keys."""
        return [
            f"{who}  " + " ".join(map(shown, words))
            for who, words in self._sent
            if not about or about & set(words)
        ]  # fmt: skip


def shown(word: bytes) -> str:
    """As redis-cli would be given it."""
    text = repr(word[:SHORT])[2:-1] + (f"...({len(word)} bytes)" if len(word) > SHORT else "")
    return quoted(text)


def whole(word: bytes) -> str:
    """The same without an end in the middle."""
    return quoted(repr(word)[2:-1])


def quoted(text: str) -> str:
    return text if text and not set(text) & set(" \\'\"*$[(<>|#~") else f'"{text}"'


def write_down(folder: Path, name: str, finding: Finding, history: History, log: str) -> Path:
    """A file with everything that is known of it."""
    file = folder / f"{name}.txt"
    parts = [f"{name}\n{finding.kind}\n{finding.detail}"]
    if finding.about:
        parts.append("requests that name these keys:\n" + "\n".join(history.lines(finding.about)))
    parts += ["the last requests:\n" + "\n".join(history.lines()), "log:\n" + log]
    file.write_text("\n\n".join(parts) + "\n", errors="replace")
    return file
