# ruff: noqa: E501 - lists of values
"""Every function that a script can reach, with the numbers, sizes, texts, tables and functions that C does not expect:
the server answers, every script can be ended, and nothing stays.

REMUS_SCRIPT_CALLS: calls of each function (CI: 300).
"""

import os
import random
import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.resp import Connection
from tests.support.server import Server

CALLS = int(os.environ.get("REMUS_SCRIPT_CALLS", "300"))
TOGETHER = 10  # calls of one script: what follows the one that has to be ended is lost
PATIENCE = 0.3  # seconds until a script is ended
NAMES = """
local all = {}
for name, value in pairs(_G) do
    if type(value) == 'function' then all[#all + 1] = name end
    if type(value) == 'table' and name ~= '_G' then
        for inner, function_ in pairs(value) do
            if type(function_) == 'function' then all[#all + 1] = name .. '.' .. inner end
        end
    end
end
table.sort(all)
return all
"""
NUMBERS = [
    "0/0", "1/0", "-1/0", "2^31", "2^31-1", "-2^31", "2^32", "2^32+1", "-2^32", "2^53", "2^53+1", "2^62", "2^63", "-2^63",
    "2^64", "1e300", "-1e300", "5e-324", "-0.0", "0", "1", "-1", "0.5", "2", "7", "255", "256", "1e5", "-1e5", "1e6",
]  # fmt: skip
OTHERS = [
    "nil", "true", "false", "''", "'a'", "'7'", "'0x10'", "'1e308'", "' 12 '", "'\\0\\255'", "'%d%s'", "'(a*(.)%w(%s*))'",
    "'[[['", "'%f'", "'count'", "'{\"a\":[1,2,{}]}'", "'\\220\\255\\255'", "'>I8c0s'", "'!16d'", "('x'):rep(1e5)", "('9'):rep(1e5)",
    "('('):rep(1e5)", "('a?'):rep(1e4)", "('a-'):rep(1e4)", "('\\145'):rep(1e4)", "{}", "{1, 2, 3}", "{'b', 'a'}", "{[2^31-1] = 1}",
    "{a = {b = {}}}", "(function() local t = {} t[1] = t t.t = t return t end)()", "(function() local t = {} for i = 1, 1e4 do t[i] = i end return t end)()",
    "(function() local t = {} for i = 1, 300 do t = {t} end return t end)()", "setmetatable({}, {__index = error, __newindex = error})",
    "setmetatable({}, {__tostring = function() return {} end, __lt = function() return true end, __call = function(...) return ... end})",
    "function() end", "function(...) return ... end", "function() return true end", "function() return 'x' end", "function() error({}) end",
    "pcall", "error", "coroutine.create(function(...) while true do coroutine.yield(...) end end)", "coroutine.wrap(function(...) return ... end)",
    "newproxy()", "cjson.null", "redis", "string", "_G", "'GET'", "'k'",
]  # fmt: skip


@pytest.fixture
def fuzzed(new_server: Callable[..., Server]) -> Iterator[Server]:
    server = new_server(save="", hz=1, busy_reply_threshold=50, enable_debug_command="yes", timeout=0)
    yield server
    assert server.alive(), server.log()[-5000:]
    assert "BUG REPORT" not in server.log()


def value(chance: random.Random) -> str:
    return chance.choice(NUMBERS) if chance.random() < 0.5 else chance.choice(OTHERS)


def call_of(name: str, chance: random.Random) -> str:
    arguments = ", ".join(value(chance) for _ in range(chance.randint(0, 4)))
    return f"pcall(function() return {name}({arguments}) end)"


def play(running: Connection, other: Connection, script: str) -> None:
    """Run it; end it when it takes long. Whatever it replies, there is a reply."""
    running.send("EVAL", script, 0)
    try:
        running.read(PATIENCE)
    except TimeoutError:
        other("SCRIPT", "KILL")
        running.read(30)
    assert other("PING") == "PONG", script


def rounds(server: Server, names: list[bytes], calls: int) -> None:
    chance = random.Random(20261129)
    with server.connect() as running, server.connect() as other:
        for name in names:
            other.ok("SCRIPT", "FLUSH")  # a collection goes over all that are kept
            for _ in range(calls // TOGETHER):
                play(running, other, " ".join(call_of(name.decode(), chance) for _ in range(TOGETHER)) + " return 1")


def left(c: Connection) -> tuple[int, int]:
    """Blocks of the interpreter and bytes that Lua holds, with no script kept."""
    c.ok("SCRIPT", "FLUSH")
    text = c.ok("INFO", "memory").decode()
    held = re.search(r"used_memory_lua:(\d+)", text)
    assert held is not None
    return c.ok("DEBUG", "BLOCKS"), int(held[1])


def test_functions_with_what_they_do_not_expect(fuzzed: Server) -> None:
    with fuzzed.connect() as c:
        names = c.ok("EVAL", NAMES, 0)
        assert {b"string.rep", b"unpack", b"struct.pack", b"cmsgpack.unpack", b"redis.call", b"bit.tohex"} < set(names)
        rounds(fuzzed, names, TOGETHER)
        before = left(c)
        rounds(fuzzed, names, CALLS)
        after = left(c)
        assert after[0] - before[0] < 2500, "blocks of the interpreter"
        assert after[1] - before[1] < 100_000, "bytes of Lua"
