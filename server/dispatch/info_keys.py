"""INFO about keys: those with most accesses lately, the biggest of each type, and how many are how long.

hotkeys and bigkeys are shown only when they are asked for by name, for they name keys. keysizes is as Redis 8.0 tells
it, and also part of INFO all.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from server.registry.info import Section, section

if TYPE_CHECKING:
    from server.server import Server

SHOWN = 10
KEY_SHOWN = 128  # bytes
SHOWN_AS = [chr(c) if 32 <= c < 127 else f"\\x{c:02x}" for c in range(256)]
SHOWN_AS[ord('"')], SHOWN_AS[ord("\\")] = '\\"', "\\\\"


def quoted(key: bytes) -> str:
    """A key as printable ASCII in double quotes, all other bytes as \\xHH; of a long one the beginning."""
    return '"' + "".join(SHOWN_AS[c] for c in key[:KEY_SHOWN]) + ("..." if len(key) > KEY_SHOWN else "") + '"'


hotkeys: "Section[Server]" = section("hotkeys", "Hotkeys", default=False, in_all=False)
hotkeys.field("hot_keys_sample", lambda s: s.config.hot_keys_sample)


@hotkeys.family
def hot_key_lines(s: "Server") -> Iterator[tuple[str, str]]:
    """hot_key_0:db=0,accesses_per_sec=120.5,key="user:1": estimates that are not too high; the key comes last."""
    for number, (each, rate) in enumerate(s.hottest_keys(SHOWN)):
        yield f"hot_key_{number}", f"db={each.db},accesses_per_sec={rate:.2f},key={quoted(each.key)}"


bigkeys: "Section[Server]" = section("bigkeys", "Bigkeys", default=False, in_all=False)
bigkeys.field("big_keys_walks", lambda s: s.big_keys.passes)
bigkeys.field("big_keys_walked_keys", lambda s: s.big_keys.keys)
bigkeys.field("big_keys_walk_usec", lambda s: s.big_keys.spent_us)


@bigkeys.family
def big_key_lines(s: "Server") -> Iterator[tuple[str, str]]:
    """big_hash_0:db=0,bytes=123456,elements=1000,key="user:1": the biggest of each type; the key comes last."""
    number: dict[str, int] = {}
    for each in s.big_keys.biggest(SHOWN):
        at = number[each.type] = number.get(each.type, -1) + 1
        yield (
            f"big_{each.type}_{at}",
            f"db={each.db},bytes={each.weight},elements={each.elements},key={quoted(each.key)}",
        )


KEYSIZES = {"string": "strings_sizes", "list": "lists_items", "set": "sets_items", "zset": "zsets_items",
            "hash": "hashes_items"}  # fmt: skip
keysizes: "Section[Server]" = section("keysizes", "Keysizes", default=False)


def scaled(size: int) -> str:
    """A power of two in short: 512, 1K, 2M."""
    for unit in ("", "K", "M", "G", "T", "P"):
        if size < 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}E"


@keysizes.family
def key_size_lines(s: "Server") -> Iterator[tuple[str, str]]:
    """db0_distrib_lists_items:1=2,4=1K: the number before the sign is the least of its class, and the next class begins
    at twice as many. What the last complete walk over the keys met (big-keys-walk); no lines without one."""
    for (db, name), classes in s.big_keys.lengths().items():
        if name in KEYSIZES:
            yield f"db{db}_distrib_{KEYSIZES[name]}", ",".join(f"{scaled(least)}={keys}" for least, keys in classes)
