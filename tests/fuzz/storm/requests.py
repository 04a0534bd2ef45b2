"""Commands as clients send them: plain, in transactions, from scripts and functions."""

import random

from tests.fuzz.storm.grammar import Grammar
from tests.fuzz.storm.values import ALL_KEYS

Request = list[bytes]

# ARGV: again and again a number of words, and so many words of a command.
PLAY = """
local replies, at = {{}}, 1
while ARGV[at] do
  local count = tonumber(ARGV[at])
  local reply = redis.{call}(unpack(ARGV, at + 1, at + count))
  replies[#replies + 1] = reply == nil and 'nil' or reply
  at = at + count + 1
end
return {result}
"""
SCRIPTS = [
    prefix + PLAY.format(call=call, result=result).encode()
    for prefix in (b"", b"redis.setresp(3)\n")
    for call in ("call", "pcall")
    for result in ("replies", "#replies")
]
LIBRARY = (
    b"#!lua name=storm\n"
    b"local function play(keys, ARGV)" + PLAY.format(call="pcall", result="replies").encode() + b"end\n"
    b"redis.register_function('run', play)\n"
    b"redis.register_function{function_name='run_ro', callback=play, flags={'no-writes'}}\n"
)
LOAD = [b"FUNCTION", b"LOAD", b"REPLACE", LIBRARY]


def pipeline(chance: random.Random, grammar: Grammar) -> list[Request]:
    """Some requests; afterwards the connection is in no transaction."""
    requests: list[Request] = [[b"SELECT", chance.choice((b"0", b"0", b"0", b"1", b"9"))]]
    for _ in range(chance.choice((1, 3, 10, 25))):
        requests += chance.choices((plain, transaction, script), (8, 1, 1))[0](chance, grammar)
    return [*requests, [b"DISCARD"], [b"UNWATCH"]]


def plain(chance: random.Random, grammar: Grammar) -> list[Request]:
    return [grammar.command(chance)]


def transaction(chance: random.Random, grammar: Grammar) -> list[Request]:
    requests: list[Request] = []
    if chance.random() < 0.3:
        requests += [[b"WATCH", *chance.choices(ALL_KEYS, k=chance.randrange(1, 4))], *plain(chance, grammar)]
    requests.append([b"MULTI"])
    for _ in range(chance.choice((0, 1, 3, 8))):
        kinds = (plain, script, nested)
        requests += chance.choices(kinds, (8, 1, 0.2))[0](chance, grammar)
    return [*requests, chance.choice(([b"EXEC"], [b"EXEC"], [b"EXEC"], [b"DISCARD"]))]


def nested(chance: random.Random, grammar: Grammar) -> list[Request]:
    """What has no place in a transaction."""
    return [chance.choice(([b"MULTI"], [b"WATCH", b"s1"], [b"NOSUCH"], [b"GET"], [b"UNWATCH"]))]


def script(chance: random.Random, grammar: Grammar) -> list[Request]:
    words: list[bytes] = []
    for _ in range(chance.choice((1, 2, 6))):
        command = grammar.command(chance)
        words += [b"%d" % len(command), *command]
    kind = chance.randrange(6)
    if kind == 0:
        return [[chance.choice((b"FCALL", b"FCALL_RO")), chance.choice((b"run", b"run_ro")), b"0", *words]]
    name = b"EVAL_RO" if kind == 1 else b"EVAL"
    return [[name, chance.choice(SCRIPTS), b"0", *words]]
