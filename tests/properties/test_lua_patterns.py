"""Our matcher of Lua's patterns against Lua 5.1's own, which lupa carries: the same matches, captures and errors."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from lupa import lua51

from tests.support.resp import Connection

FUNCTIONS = """
local function told(...)
    local all = {}
    for i = 1, select('#', ...) do all[i] = tostring((select(i, ...))) end
    return table.concat(all, '|')
end
local function words(s, p)
    local all = {}
    for a, b in s:gmatch(p) do all[#all + 1] = told(a, b) if #all > 50 then break end end
    return table.concat(all, ';')
end
local s, p, at, with = ...
local calls = {
    function() return s:find(p, at) end, function() return s:match(p, at) end, function() return s:gsub(p, with) end,
    function() return s:gsub(p, with, at) end, function() return words(s, p) end,
    function() return s:find(p, at, true) end, function() return ('ab'):rep(60):find(p .. 'b', at, true) end,
    function() return s:gsub(p, function(a, b) if a ~= 'a' then return told(a, b) end end) end,
    function() return s:gsub(p, {a = 1, ab = 'x', b = false}) end,
}
local all = {}
for i = 1, #calls do all[i] = told(pcall(calls[i])) end
return table.concat(all, '\\n')
"""
SCRIPT = f"return (function(...) {FUNCTIONS} end)(ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4])"

CHARACTERS = st.sampled_from([b"a", b"b", b"c", b"A", b"1", b" ", b".", b"_", b"(", b")", b"%", b"-", b"\xe4", b"\0"])
CLASSES = st.sampled_from([b"%" + bytes([letter]) for letter in b"acdlpsuwxzACDLPSUWXZ.%-()"])
SETS = st.sampled_from([b"[ab]", b"[^ab]", b"[a-c]", b"[%w_]", b"[^%s]", b"[]a]", b"[^]]", b"[a-]", b"[%a-z]", b"[%]]"])
ITEMS = st.one_of(st.sampled_from([b"a", b"b", b"."]), CLASSES, SETS)
TIMES = st.sampled_from([b"", b"", b"*", b"+", b"-", b"?"])
ODD = st.sampled_from(
    [b"(", b")", b"()", b"(a", b")*", b"%1", b"%2", b"%b()", b"%bab", b"%f[a]", b"%f[%W]", b"^", b"$", b"[", b"[a",
     b"%", b"%b(", b"%f", b"%0", b"\0", b"^$", b"[]", b"[^", b"[a-", b"[%", b"%1*"]
)  # fmt: skip
PART = st.one_of(st.builds(lambda item, times: item + times, ITEMS, TIMES), ODD)


def capture(inner: list[bytes]) -> bytes:
    """A capture of all of them."""
    return b"(" + b"".join(inner) + b")"


PATTERNS = st.lists(st.one_of(PART, st.builds(capture, st.lists(PART, max_size=3))), max_size=6).map(b"".join)
REPLACEMENTS = st.lists(st.sampled_from([b"x", b"%0", b"%1", b"%2", b"%%", b"%", b"%a"]), max_size=3).map(b"".join)


@pytest.fixture(scope="module")
def original() -> Any:
    """What Lua's own library says: a function of subject, pattern, place and replacement."""
    runtime = lua51.LuaRuntime(encoding=None)
    return runtime.eval(f"function(...) {FUNCTIONS} end".encode())


def without_places(text: bytes) -> list[bytes]:
    """Errors are raised at places that differ."""
    return [line.split(b":")[-1].strip() if line.startswith(b"false|") else line for line in text.split(b"\n")]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHARACTERS, max_size=14).map(b"".join), PATTERNS, st.integers(-16, 16), REPLACEMENTS)
@example(b"aab", b"()(a*)b", 1, b"%1")
@example(b"THE (quick) fox", b"%f[%a]%a+%f[%A]", 1, b"%0%0")
@example(b"a", b"(" * 33, 1, b"")
@example(b"((a)(b))", b"%b()", 2, b"")
@example(b"abab", b"(ab)%1", 1, b"%1%2")
def test_patterns_match_as_lua_matches(
    raw: Connection, original: Any, subject: bytes, pattern: bytes, at: int, replacement: bytes
) -> None:
    ours = raw.ok("EVAL", SCRIPT, 0, subject, pattern, at, replacement)
    theirs = original(subject, pattern, at, replacement)
    assert without_places(ours) == without_places(theirs)
