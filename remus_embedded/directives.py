"""Directives given as Python values: the lines of redis.conf that they become, and the password among them."""

import shlex
from collections.abc import Iterator
from typing import Any


def config_lines(directives: dict[str, Any]) -> Iterator[str]:
    """Lines of redis.conf. A list or tuple is several, of words as they stand there; anything else is one word."""
    for name, value in directives.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            text = {True: "yes", False: "no"}[one] if isinstance(one, bool) else str(one)
            several_words = isinstance(value, list | tuple) and text
            yield f"{name.replace('_', '-')} {text if several_words else quoted(text)}\n"


def quoted(text: str) -> str:
    """One word of redis.conf, or of an inline command."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def password_in(directives: dict[str, Any]) -> str:
    """What requirepass says, or nothing; of several lines the last one counts, and quotes may stand there."""
    given = directives.get("requirepass") or ""
    if isinstance(given, list | tuple):
        return next(iter(shlex.split(given[-1])), "")
    return str(given)
