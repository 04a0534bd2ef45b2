"""Commands made from the argument trees of COMMAND DOCS, mostly well-formed."""

import random
from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from tests.fuzz.storm.values import anything, edge, key, value
from tests.support.command_docs import Argument, Documented, documented

# What ends or mutes the connection or the server, waits for others, sends pushes that no request asked for, or is sent
# on purpose elsewhere; and RESETSTAT, which would hide mistakes. MULTI and the like come in pairs, from requests.py.
LEFT_OUT = {
    "shutdown", "debug", "monitor", "sync", "psync", "replconf", "replicaof", "slaveof", "failover", "migrate",
    "cluster", "module|load", "module|loadex", "module|unload", "quit", "client|reply", "client|pause", "client|kill",
    "client|unpause", "client|unblock", "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe",
    "sunsubscribe", "config|set", "config|resetstat", "config|rewrite", "multi", "exec", "discard", "watch", "unwatch",
    "pfselftest", "script|debug", "eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "acl",
    "hotkeys|start",
}  # fmt: skip
RARE = {"flushall", "flushdb", "swapdb", "function|flush", "script|flush", "save", "bgsave", "bgrewriteaof", "command",
        "command|docs", "command|list", "info", "lolwut", "command|info"}  # fmt: skip
RARELY = 0.03
WEIGHTS = {"connection": 1, "server": 1, "pubsub": 1, "scripting": 1, "cluster": 0, "transactions": 0, "sentinel": 0}
WEIGHT = 6  # of other groups
OPTION = 0.3  # how often an option is given
MUTATED = 0.05
REPETITIONS_ASKED = {b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER"}
MOST_REPETITIONS = 1000


class Grammar:
    """Says commands. docs: the reply of COMMAND DOCS in RESP2; nasty: how often a value is one that nobody sends."""

    def __init__(self, docs: list[Any], nasty: float = 0.04, without: frozenset[str] = frozenset()) -> None:
        self.nasty = nasty
        self.payloads: list[bytes] = [b"", b"\0"]  # for RESTORE
        self._groups: defaultdict[str, list[Documented]] = defaultdict(list)
        for command in sorted(documented(docs), key=attrgetter("name")):  # a redis-server tells them in any order
            left_out = LEFT_OUT | without
            if not command.container and not {command.name, command.name.split("|")[0]} & left_out:
                self._groups[command.group].append(command)
        self._names = sorted(self._groups)
        self._weights = [WEIGHTS.get(group, WEIGHT) for group in self._names]

    def command(self, chance: random.Random) -> list[bytes]:
        group = chance.choices(self._names, self._weights)[0]
        command = chance.choice(self._groups[group])
        if command.name in RARE and chance.random() > RARELY:
            return self.command(chance)
        words = list(command.head)
        if chance.random() < 0.1:
            words = [word.lower() for word in words]
        words += self._words(chance, command.arguments, group)
        if chance.random() < MUTATED:
            mutate(chance, words)
        if words[0].upper() in REPETITIONS_ASKED:
            words = [*words[:2], *map(fewer, words[2:])]
        return words

    def _words(self, chance: random.Random, arguments: list[Argument], group: str) -> Iterator[bytes]:
        """Whatever may be repeated among neighbours is repeated as often: keys and their IDs, keys and weights."""
        count = min(1 + int(chance.expovariate(1.2)), 5)
        for argument in arguments:
            if argument.optional and chance.random() > OPTION:
                continue
            if argument.name == "numkeys":
                yield b"%d" % count if chance.random() > self.nasty else edge(chance)
                continue
            for time in range(count if argument.multiple else 1):
                if argument.token is not None and (time == 0 or argument.multiple_token):
                    yield argument.token
                yield from self._one(chance, argument, group)

    def _one(self, chance: random.Random, argument: Argument, group: str) -> Iterator[bytes]:
        if argument.kind == "oneof":
            part = chance.choice(argument.parts)
            if part.token is not None:
                yield part.token
            yield from self._one(chance, part, group)
        elif argument.kind == "block":
            yield from self._words(chance, argument.parts, group)
        elif argument.kind == "key":
            yield key(chance, group)
        elif argument.name == "serialized-value":
            yield self._payload(chance)
        elif argument.kind != "pure-token":
            yield value(chance, argument.name, argument.kind, self.nasty)

    def _payload(self, chance: random.Random) -> bytes:
        payload = chance.choice(self.payloads)
        if payload and chance.random() < 0.2:
            at = chance.randrange(len(payload))
            payload = payload[:at] + bytes([chance.randrange(256)]) * chance.randrange(2) + payload[at + 1 :]
        return payload


def mutate(chance: random.Random, words: list[bytes]) -> None:
    """One word less, more, twice, elsewhere, or another; never the first, which names the command."""
    at = chance.randrange(1, len(words) + 1)
    kind = chance.randrange(5)
    if at == len(words) or kind == 0:
        words.insert(at, anything(chance))
    elif kind == 1:
        del words[at]
    elif kind == 2:
        words.insert(at, words[at])
    elif kind == 3:
        other = chance.randrange(1, len(words))
        words[at], words[other] = words[other], words[at]
    else:
        words[at] = anything(chance)


def fewer(word: bytes) -> bytes:
    """A count of repetitions that makes no reply of gigabytes, which any server would send."""
    try:
        number = int(word)
    except ValueError:
        return word
    return b"%d" % -MOST_REPETITIONS if -(2**63) < number < -MOST_REPETITIONS else word
