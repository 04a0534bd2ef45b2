"""Keys that an operator wants to see: metrics-check-keys, metrics-check-single-keys and metrics-count-keys.

The walk over a database is cut into steps of STEP_KEYS; each is one question to the main thread, so that clients are
served in between. `step` and `look` run there, the rest in the asking thread. Looking is no reading: no hit is
counted, and no key becomes younger.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from prometheus_client.core import Metric

from server.structures import glob

STEP_KEYS = 500
SHOWN_MAX = 2000  # keys of one pattern that become series; more would hurt Prometheus more than they tell
SECONDS_MAX = 5.0  # for all walks of a scrape
VALUE_MAX = 128  # bytes of a string that is shown
MEASURED_MAX = 1024  # elements up to which a value's memory is counted, which takes O(N)


class Wanted(NamedTuple):
    """A key, or a pattern, and the database where to look."""

    db: int
    key: bytes


class Figures(NamedTuple):
    """What is shown of a key."""

    db: int
    key: bytes
    size: int  # bytes of a string, elements of anything else
    text: bytes | None  # of a short string
    memory: int | None  # bytes; None for what would take long to count


def wanted(text: str) -> list[Wanted]:
    """`db0=user:*,db3=queue,name` as (0, user:*), (3, queue), (0, name); %2C is a comma, as redis_exporter reads it."""
    found = []
    for part in text.split(","):
        prefix, equals, rest = part.strip().partition("=")
        number = prefix.removeprefix("db")
        if equals and number.isdecimal():
            found.append(Wanted(int(number), unquote_to_bytes(rest)))
        elif part.strip():
            found.append(Wanted(0, unquote_to_bytes(part.strip())))
    return found


# ---- in the main thread
@contextmanager
def unnoticed(keyspace: Any) -> Iterator[None]:
    """Lookups that leave no trace."""
    hits, misses, no_touch = keyspace.hits, keyspace.misses, keyspace.no_touch
    keyspace.no_touch = True
    try:
        yield
    finally:
        keyspace.hits, keyspace.misses, keyspace.no_touch = hits, misses, no_touch


def look(server: Any, which: list[Wanted]) -> list[Figures]:
    """The figures of those keys that are there."""
    databases = server.keyspace.databases
    with unnoticed(server.keyspace):
        return [
            figures(databases[at], key)
            for at, key in which
            if at < len(databases) and databases[at].has_entry(key) and not databases[at].is_expired(key)
        ]


def figures(db: Any, key: bytes) -> Figures:
    """Of a key that is there."""
    view = db.view(key)
    size = db.string_length(key) if view is None else len(view)
    text = db.peek(key) if view is None and size <= VALUE_MAX else None
    return Figures(db.index, key, size, text, db.memory_usage(key) if view is None or size <= MEASURED_MAX else None)


def step(server: Any, cursor: int, pattern: Wanted) -> tuple[int, list[bytes]]:
    """A step of a walk: the next cursor (0 at the end) and what matches."""
    databases = server.keyspace.databases
    if pattern.db >= len(databases):
        return 0, []
    cursor, found = databases[pattern.db].scan(cursor, STEP_KEYS)
    return cursor, glob.matching(pattern.key, found)


# ---- in the asking thread
Ask = Callable[[Callable[[Any], Any]], Any]


def walk(ask: Ask, pattern: Wanted, deadline: float) -> Iterator[list[bytes]]:
    """What matches, step by step; some keys perhaps twice. Ends early at `deadline` (time.monotonic)."""
    cursor = 0
    while True:
        cursor, found = ask(partial(step, cursor=cursor, pattern=pattern))
        yield found
        if not cursor or time.monotonic() > deadline:
            return


def key_families(ask: Ask, single: str, patterns: str, counted: str) -> Iterator[Metric]:
    """The families for the three directives' texts; none without texts."""
    deadline = time.monotonic() + SECONDS_MAX
    chosen = wanted(single)
    for pattern in wanted(patterns):
        keys: set[bytes] = set()
        for found in walk(ask, pattern, deadline):
            keys.update(found)
            if len(keys) >= SHOWN_MAX:
                break
        chosen += [Wanted(pattern.db, key) for key in sorted(keys)[:SHOWN_MAX]]
    chosen = list(dict.fromkeys(chosen))
    shown: list[Figures] = []
    for at in range(0, len(chosen), STEP_KEYS):
        shown += ask(partial(look, which=chosen[at : at + STEP_KEYS]))
    yield from figure_families(shown)
    if counted:
        family = Metric("redis_keys_count", "Keys that match a pattern.", "gauge")
        for pattern in wanted(counted):
            count = sum(len(found) for found in walk(ask, pattern, deadline))
            family.add_sample("redis_keys_count", {"db": f"db{pattern.db}", "key": shown_as(pattern.key)}, count)
        yield family


def figure_families(shown: list[Figures]) -> Iterator[Metric]:
    """Sizes, values and memory of keys."""
    size = Metric("redis_key_size", "Length of a string, elements of anything else.", "gauge")
    value = Metric("redis_key_value", "The value of a string that is a number.", "gauge")
    text = Metric("redis_key_value_as_string", "A string that is none, in the label val.", "gauge")
    memory = Metric("redis_key_memory_usage_bytes", "Memory of the key and its value.", "gauge")
    for each in shown:
        labels = {"db": f"db{each.db}", "key": shown_as(each.key)}
        size.add_sample("redis_key_size", labels, each.size)
        if each.text is not None:
            try:
                value.add_sample("redis_key_value", labels, float(each.text))
            except ValueError:
                text.add_sample("redis_key_value_as_string", {**labels, "val": shown_as(each.text)}, 1)
        if each.memory is not None:
            memory.add_sample("redis_key_memory_usage_bytes", labels, each.memory)
    yield from (family for family in (size, value, text, memory) if family.samples)


def shown_as(key: bytes) -> str:
    """A label's value: Prometheus takes UTF-8 only."""
    return key.decode("utf-8", "backslashreplace")
