"""Keys that an operator wants to see: those that directives name, hot ones, big ones, groups of them by prefix.

The walk over a database is cut into steps of STEP_KEYS; each is one question to the main thread, so that clients are
served in between. `step` and `look` run there, the rest in the asking thread. Looking is no reading: no hit is
counted, and no key becomes younger.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

from prometheus_client.core import Metric

from metrics.family import shown_as
from metrics.snapshot import notable_slots
from server.keyspace.big_keys import BigKey
from server.keyspace.database import Database, Keyspace
from server.keyspace.prefixes import prefixes
from server.observe.hot_keys import HotKey
from server.structures import glob

if TYPE_CHECKING:
    from server.server import Server

STEP_KEYS = 500
SHOWN_MAX = 2000  # keys of one pattern that become series; more would hurt Prometheus more than they tell
SECONDS_MAX = 5.0  # for all walks of a scrape
VALUE_MAX = 128  # bytes of a string that is shown
STEP_US = 1000  # ... and in which a step that measures keys ends at the latest
GROUPS_MAX = 100  # series of one separator; what is beyond is summed up
PAGE_HOT, PAGE_BIG = 12, 3  # keys that the live page shows: in all, and of each type
PAGE_SLOTS = 6  # slots that it shows: of those that are used most, and of those with most keys
KEY_SHOWN = 128  # bytes of the name of a hot or big key
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
def unnoticed(keyspace: Keyspace) -> Iterator[None]:
    """Lookups that leave no trace."""
    hits, misses, no_touch = keyspace.hits, keyspace.misses, keyspace.no_touch
    keyspace.no_touch = True
    try:
        yield
    finally:
        keyspace.hits, keyspace.misses, keyspace.no_touch = hits, misses, no_touch


def look(server: "Server", which: list[Wanted]) -> list[Figures]:
    """The figures of those keys that are there."""
    databases = server.keyspace.databases
    with unnoticed(server.keyspace):
        return [
            figures(databases[at], key)
            for at, key in which
            if at < len(databases) and databases[at].has_entry(key) and not databases[at].is_expired(key)
        ]


def figures(db: Database, key: bytes) -> Figures:
    """Of a key that is there."""
    view = db.view(key)
    size = db.string_length(key) if view is None else len(view)
    text = db.peek(key) if view is None and size <= VALUE_MAX else None
    return Figures(db.index, key, size, text, db.memory_usage(key) if view is None or size <= MEASURED_MAX else None)


def step(server: "Server", cursor: int, pattern: Wanted) -> tuple[int, list[bytes]]:
    """A step of a walk: the next cursor (0 at the end) and what matches."""
    databases = server.keyspace.databases
    if pattern.db >= len(databases):
        return 0, []
    cursor, found = databases[pattern.db].scan(cursor, STEP_KEYS)
    return cursor, glob.matching(pattern.key, found)


def group_step(server: "Server", cursor: int, group: Wanted) -> tuple[int, dict[bytes, list[int]]]:
    """A step of such a walk that sums up groups: prefix -> [keys, bytes]. The pattern is a separator."""
    databases = server.keyspace.databases
    if group.db >= len(databases) or not group.key:
        return 0, {}
    return prefixes(databases[group.db], cursor, group.key, 1, STEP_KEYS, STEP_US)


def notable(server: "Server") -> dict[str, list[dict[str, Any]]]:
    """Hot and big keys, and slots, for the live page."""
    return {
        "hot": [
            {"db": each.db, "key": short(each.key), "per_second": rate}
            for each, rate in server.hot_keys_upkeep.hottest(PAGE_HOT)
        ],
        "big": [
            {"db": each.db, "key": short(each.key), "type": each.type, "bytes": each.weight, "elements": each.elements}
            for each in server.big_keys.biggest(PAGE_BIG)
        ],
        "slots": [
            {"slot": each.slot, "keys": each.keys, "use": each.use}
            for each in notable_slots(server, PAGE_SLOTS)
        ],
    }


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


def group_families(ask: Ask, separators: str) -> Iterator[Metric]:
    """Keys and memory by the prefix of the key, as redis_exporter shows its key groups."""
    deadline = time.monotonic() + SECONDS_MAX
    keys = Metric("redis_key_group_count", "Keys of a group.", "gauge")
    memory = Metric("redis_key_group_memory_usage_bytes", "Memory of its keys and their values.", "gauge")
    distinct = Metric("redis_number_of_distinct_key_groups", "Groups, those not shown included.", "gauge")
    for group in wanted(separators):
        total = groups(ask, group, deadline)
        db = {"db": f"db{group.db}"}
        distinct.add_sample("redis_number_of_distinct_key_groups", db, len(total))
        order = sorted(total, key=lambda prefix: total[prefix][1], reverse=True)
        shown = {shown_as(prefix): total[prefix] for prefix in order[:GROUPS_MAX]}
        if rest := order[GROUPS_MAX:]:
            shown["overflow"] = [sum(total[prefix][n] for prefix in rest) for n in range(2)]
        for name, (count, weight) in shown.items():
            keys.add_sample("redis_key_group_count", {**db, "key_group": name}, count)
            memory.add_sample("redis_key_group_memory_usage_bytes", {**db, "key_group": name}, weight)
    yield from (keys, memory, distinct)


def groups(ask: Ask, group: Wanted, deadline: float) -> dict[bytes, list[int]]:
    """prefix -> [keys, bytes] of a whole database, or of what was met before `deadline`."""
    total: dict[bytes, list[int]] = {}
    cursor = 0
    while True:
        cursor, found = ask(partial(group_step, cursor=cursor, group=group))
        for prefix, (count, weight) in found.items():
            one = total.setdefault(prefix, [0, 0])
            one[0] += count
            one[1] += weight
        if not cursor or time.monotonic() > deadline:
            return total


def notable_families(hot: list[tuple[HotKey, float]], big: list[BigKey]) -> Iterator[Metric]:
    """metrics-hot-keys and metrics-big-keys."""
    text = "Accesses of hot keys lately, an estimate that is not too high."
    rate = Metric("remus_hot_key_accesses_per_second", text, "gauge")
    rates = {(each.db, short(each.key)): per_second for each, per_second in reversed(hot)}  # long ones may look alike
    for (db, key), per_second in rates.items():
        rate.add_sample("remus_hot_key_accesses_per_second", {"db": f"db{db}", "key": key}, per_second)
    size = Metric("remus_big_key_size_bytes", "Memory of the biggest keys of each type.", "gauge")
    elements = Metric("remus_big_key_elements", "Their elements; bytes of a string.", "gauge")
    for (db, key, kind), found in {(each.db, short(each.key), each.type): each for each in reversed(big)}.items():
        labels = {"db": f"db{db}", "key": key, "type": kind}
        size.add_sample("remus_big_key_size_bytes", labels, found.weight)
        elements.add_sample("remus_big_key_elements", labels, found.elements)
    yield from (family for family in (rate, size, elements) if family.samples)


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


def short(key: bytes) -> str:
    """A label's value for a key that nobody chose: only the beginning of a long one."""
    return shown_as(key[:KEY_SHOWN]) + ("..." if len(key) > KEY_SHOWN else "")
