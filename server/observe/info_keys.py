"""INFO hotkeys: the keys with most accesses lately. By name only, for it names keys."""

from collections.abc import Iterator
from typing import Any

from server.registry.info import section

SHOWN = 10
SHOWN_AS = [chr(c) if 32 <= c < 127 else f"\\x{c:02x}" for c in range(256)]
SHOWN_AS[ord('"')], SHOWN_AS[ord("\\")] = '\\"', "\\\\"


def quoted(key: bytes) -> str:
    """A key as one word of printable ASCII in double quotes, as redis-cli shows it."""
    return '"' + "".join(SHOWN_AS[c] for c in key) + '"'


hotkeys = section("hotkeys", "Hotkeys", default=False, in_all=False)
hotkeys.field("hot_keys_sample", lambda s: s.config.hot_keys_sample)


@hotkeys.family
def hot_key_lines(s: Any) -> Iterator[tuple[str, str]]:
    """hot_key_0:db=0,accesses_per_sec=120.5,key="user:1": estimates that are not too high; the key comes last."""
    for number, (each, rate) in enumerate(s.hottest_keys(SHOWN)):
        yield f"hot_key_{number}", f"db={each.db},accesses_per_sec={rate:.2f},key={quoted(each.key)}"
