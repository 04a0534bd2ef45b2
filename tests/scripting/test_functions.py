# ruff: noqa: E501 - lists of scripts
"""FUNCTION and FCALL, against a real server and across with it."""

import pytest

from server.structures import crc64
from tests.support.resp import RespError
from tests.support.server import wait_until

LIBRARY = (
    "#!lua name=lib\nredis.register_function('f', function(keys, args) return {keys, args} end)\n"
    "redis.register_function{function_name='g', callback=function() return redis.call('GET','k') end, "
    "flags={'no-writes','allow-oom'}, description='reads'}"
)


def test_life_of_a_library(both):
    both("FUNCTION", "LOAD", LIBRARY)
    both("FUNCTION", "LOAD", LIBRARY)
    both("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    both("FUNCTION", "LOAD", "WRONG", LIBRARY)
    both("FCALL", "f", 1, "key", "argument")
    both("FCALL", "F", 0)
    both("FCALL_RO", "f", 0)
    both("FCALL_RO", "g", 0)
    both("FCALL", "none", 0)
    both("FCALL", "f", "x")
    both("FCALL", "f", -1)
    both("FCALL", "f", 3)
    both("FUNCTION", "STATS")
    both("FUNCTION", "LIST", "LIBRARYNAME", "nothing*")
    both("FUNCTION", "LIST", "LIBRARYNAME")
    both("FUNCTION", "LIST", "WRONG")
    both("FUNCTION", "LIST", "WITHCODE", unordered=True)
    both("FUNCTION", "DELETE", "none")
    both("FUNCTION", "DELETE", "lib")
    both("FCALL", "f", 0)
    both("FUNCTION", "FLUSH", "WRONG")
    both("FUNCTION", "FLUSH", "SYNC")
    both("FUNCTION", "LIST")


@pytest.mark.parametrize(
    "text",
    [
        "", "return 1", "#!lua", "#!lua\n", "#!lua name=a b=c\n", "#!lua name=a name=b\n", "#!LUA name=a\n", "#!py name=a\n", "#! name=a\n", "#!lua name=a-b\n",
        "#!lua name=\n", "#!lua name=a\n", "#!lua name=a\nx =", "#!lua name=a\nerror('x')", "#!lua name=a\nerror({err='ERR y'})", "#!lua name=a\nreturn redis.call('GET','k')",
        "#!lua name=a\nlocal x = string", "#!lua name=a\ny = 1", "#!lua name=a\nredis.register_function()", "#!lua name=a\nredis.register_function('f')",
        "#!lua name=a\nredis.register_function('f', 1)", "#!lua name=a\nredis.register_function(1, 2, 3)", "#!lua name=a\nredis.register_function({}, function() end)",
        "#!lua name=a\nredis.register_function('f-g', function() end)", "#!lua name=a\nredis.register_function('f', function() end) redis.register_function('f', function() end)",
        "#!lua name=a\nredis.register_function{function_name='f'}", "#!lua name=a\nredis.register_function{callback=function() end}",
        "#!lua name=a\nredis.register_function{function_name='f', callback=1}", "#!lua name=a\nredis.register_function{function_name={}, callback=function() end}",
        "#!lua name=a\nredis.register_function{function_name='f', callback=function() end, flags=1}", "#!lua name=a\nredis.register_function{'f'}",
        "#!lua name=a\nredis.register_function{function_name='f', callback=function() end, flags={'bad'}}", "#!lua name=a\nredis.register_function{what=1}",
        "#!lua name=a\nredis.register_function{function_name='f', callback=function() end, description={}}", "#!lua name=a\nredis.register_function{[{}]=1}",
        "#!lua name=a\nredis.log(redis.LOG_NOTICE, 'x')", "#!lua name=a\nredis = 1", "#!lua name=a\nredis.x = 1",
    ],
)  # fmt: skip
def test_libraries_that_fail(both, text):
    both("FUNCTION", "LOAD", text)
    both("FUNCTION", "STATS")


def test_errors_inside_functions(both):
    both("FUNCTION", "LOAD", "#!lua name=l\nlocal function f(k, a) return loadstring(a[1])() end\nredis.register_function('f', f)")
    for body in ("error('x')", "return redis.call('nosuch')", "return x", "x = 1", "return redis.register_function('a', function() end)",
                 "return KEYS", "return string.upper('a')", "return cjson.encode({1})", "return type(redis.breakpoint)", "return {err='A b'}"):  # fmt: skip
        both("FCALL", "f", 0, body)


@pytest.mark.parametrize("policy", ["FLUSH", "APPEND", "REPLACE"])
def test_dumps_go_both_ways(both, configure, policy):
    both.theirs("FUNCTION", "LOAD", LIBRARY)
    configure("rdb-version", int.from_bytes(both.theirs.ok("FUNCTION", "DUMP")[-10:-8], "little"))  # 10 of 7.0, 11 of 7.2
    both.ours("FUNCTION", "LOAD", LIBRARY)
    configure("rdbcompression", "no")
    both.theirs("CONFIG", "SET", "rdbcompression", "no")
    both("FUNCTION", "DUMP")
    configure("rdbcompression", "yes")
    both.theirs("CONFIG", "SET", "rdbcompression", "yes")
    ours, theirs = both.ours("FUNCTION", "DUMP"), both.theirs("FUNCTION", "DUMP")
    assert both.ours("FUNCTION", "RESTORE", theirs, policy) == both.theirs("FUNCTION", "RESTORE", ours, policy)
    both("FUNCTION", "FLUSH")
    assert both.ours("FUNCTION", "RESTORE", theirs, policy) == both.theirs("FUNCTION", "RESTORE", ours, policy) == "OK"
    both("FCALL", "f", 1, "k", "a")
    both("FUNCTION", "RESTORE", "rubbish")
    both("FUNCTION", "RESTORE", ours[:-1] + b"x")
    both("FUNCTION", "RESTORE", ours[:-8] + bytes(8))      # no checksum is a wrong one
    both("FUNCTION", "RESTORE", ours, "WRONG")


@pytest.mark.parametrize("body", [b"", b"\xf5", b"\x00\x01a", b"\xf5\x3fab", b"\xf5\xc3\x05\x7fabcde",
                                  b"\xf5\xc4", b"\xf5\xc0\x05", b"\xf5\x03abc\xf5"])  # fmt: skip
def test_payloads_that_hold_no_libraries(both, body):
    both("FUNCTION", "RESTORE", with_footer(body))
    both("FUNCTION", "LIST")


def test_payloads_of_release_candidates_are_named(server):
    told = server.connect()("FUNCTION", "RESTORE", with_footer(b"\xf6\x01a"))
    assert told == RespError("ERR Pre-GA function format not supported")


def with_footer(body):
    payload = body + (10).to_bytes(2, "little")
    return payload + crc64.crc64_of(payload).to_bytes(8, "little")


def test_libraries_survive_a_restart(new_server):
    server = new_server(appendonly="yes")
    server.connect().ok("FUNCTION", "LOAD", LIBRARY)
    server.restart()
    assert server.connect().ok("FCALL", "f", 1, "k", "a") == [[b"k"], [b"a"]]


def test_a_library_that_goes_leaves_nothing(new_server):
    c = new_server(save="", hz=1).connect()
    for protocol in (3, 2):            # what is encoded soon after the start is there already
        c.pipeline([("HELLO", protocol), ("COMMAND",), ("COMMAND", "DOCS")])
    c.ok("FUNCTION", "LOAD", LIBRARY)
    payload = c.ok("FUNCTION", "DUMP")
    c.ok("FUNCTION", "FLUSH")
    ways = (
        [("FUNCTION", "LOAD", LIBRARY), ("FUNCTION", "DELETE", "lib")],
        [("FUNCTION", "LOAD", LIBRARY), ("FUNCTION", "FLUSH")],
        [("FUNCTION", "LOAD", "REPLACE", LIBRARY)],
        [("FUNCTION", "RESTORE", payload, "REPLACE")],
        [("FUNCTION", "RESTORE", payload, "FLUSH")],
        [("FUNCTION", "LOAD", "REPLACE", LIBRARY.replace("lib", "bil", 1))],        # its functions are taken: refused
    )
    for commands in ways:
        c.pipeline(commands * 40)
        before = c.ok("DEBUG", "BLOCKS")
        c.pipeline(commands * 40)
        assert c.ok("DEBUG", "BLOCKS") - before < 80, commands


def test_a_library_has_half_a_second(raw):
    assert raw("FUNCTION", "LOAD", "#!lua name=l\nwhile true do end").text == "ERR Error registering functions: ERR FUNCTION LOAD timeout"


def test_a_library_that_is_restored_has_half_a_second(raw):
    text = b"#!lua name=l\nwhile true do end"
    assert "FUNCTION LOAD timeout" in raw("FUNCTION", "RESTORE", with_footer(b"\xf5" + bytes([len(text)]) + text)).text


def test_a_library_that_is_compiled_for_too_long_is_given_up(raw):
    """Each `elseif` is put at the end of a list that the parser goes through from its beginning."""
    text = "#!lua name=l\nlocal function f() if a then " + "elseif a then " * 1_000_000 + "end end"
    assert "FUNCTION LOAD timeout" in raw("FUNCTION", "LOAD", text).text


BIG = "#!lua name=big\nlocal text = '%s' local function f() return text end "


@pytest.mark.parametrize(
    "registers",
    [
        "redis.register_function('no name', f)",
        "redis.register_function('f', f) redis.register_function('f', f)",
        "redis.register_function{function_name = 'f', callback = f, colour = 1}",
        "redis.register_function{function_name = 'f', callback = f, flags = {'none'}}",
        "redis.register_function{callback = f}",
        "redis.register_function('f', f) local x = nothing",
        "local x = = 1",
    ],
)
def test_a_library_that_fails_leaves_nothing(server, raw, registers):
    raw.ok("FUNCTION", "FLUSH")
    for i in range(40):
        reply = raw("FUNCTION", "LOAD", BIG % (f"{i:07d}" * 40000) + registers)
        assert isinstance(reply, RespError)
    assert raw.ok("FUNCTION", "LIST") == []
    assert int(server.info("memory")["used_memory_vm_functions"]) < 4_000_000


def test_functions_have_a_fast_path_that_answers_alike(both):
    """Through Python inside MULTI, natively outside, here and at a real server."""
    bodies = [
        "return {keys, args}", "return redis.call('INCR', keys[1])", "return redis.call('INCR', 'text')", "error('x')", "return nosuch",
        "return redis.error_reply('MY own')", "return redis.call('TIME')[1] + 0 > 1", "redis.setresp(3) return redis.call('HGETALL', 'h')",
        "redis.call('RPUSH', 'list', unpack(args)) return redis.call('LRANGE', 'list', 0, -1)", "return KEYS", "return redis.pcall('nosuch')",
    ]
    both("MSET", "text", "abc", "num", 1)
    both("HSET", "h", "a", 1)
    for flags in ("", "'no-writes'", "'allow-oom'", "'allow-stale'", "'no-writes', 'allow-oom'"):
        functions = "\n".join(
            f"redis.register_function{{function_name='Fun{i}', flags={{{flags}}}, callback=function(keys, args) {body} end}}"
            for i, body in enumerate(bodies)
        )
        both("FUNCTION", "LOAD", "REPLACE", f"#!lua name=lib\n{functions}")
        for i in range(len(bodies)):
            both("FCALL", f"Fun{i}", 1, "num", "a", "b")
            both("FCALL", f"fUN{i}", 2, "num", "more", "")
            both("FCALL", f"Fun{i}", 3, "num", "b")
            both("FCALL", f"Fun{i}", -1, "num", "b")
            both("FCALL", f"Fun{i}", "x", "num", "b")
            both("FCALL_RO", f"Fun{i}", 1, "num", "b")
            both("MULTI")
            both("FCALL", f"Fun{i}", 1, "num", "a", "b")
            both("EXEC")
    both("FCALL", "fun", 0)
    both.same_keyspace()


def test_a_function_that_takes_long_is_shown_and_killed(raw, another, configure):
    configure("busy-reply-threshold", 20)
    raw.ok("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() while true do end end)")
    running, other = another(), another()
    running.send("FCALL", "f", 1, "key", "argument")
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    shown = other.ok("FUNCTION", "STATS")[1]
    assert shown[:4] == [b"name", b"f", b"command", [b"FCALL", b"f", b"1", b"key", b"argument"]]
    assert other("SCRIPT", "KILL").code == "BUSY"
    assert other.ok("FUNCTION", "KILL") == "OK"
    assert "Script killed by user" in running.read().text


def test_a_function_whose_caller_has_gone_is_shown_still(raw, another, configure):
    """Its words are read where they came in."""
    configure("busy-reply-threshold", 20)
    raw.ok("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() while true do end end)")
    running, other = another(), another()
    running.send("FCALL", "F", 1, "key", "argument")
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    running.close()
    another().send("FCALL", "f", 1, "another key", "another argument")      # answered BUSY from a batch of its own
    for _ in range(3):
        shown = other.ok("FUNCTION", "STATS")[1]
        assert shown[:4] == [b"name", b"f", b"command", [b"FCALL", b"F", b"1", b"key", b"argument"]]
    assert other.ok("FUNCTION", "KILL") == "OK"
    wait_until(lambda: other("PING") == "PONG", "PONG")


def test_what_is_told_of_all_libraries_is_true_after_each_change(raw):
    """LIST, STATS and DUMP are kept once they were said."""
    def told() -> tuple[object, ...]:
        return raw("FUNCTION", "LIST"), raw("FUNCTION", "LIST", "WITHCODE"), raw("FUNCTION", "STATS"), raw("FUNCTION", "DUMP")

    def names() -> list[bytes]:
        lists, _, stats, _ = told()
        assert told() == told()
        assert stats[3][1][1] == len(lists)
        return sorted(library[1] for library in lists)

    def library(name: str) -> str:
        return f"#!lua name={name}\nredis.register_function('f_{name}', function() return '{'x' * 300}' end)"

    assert names() == []
    raw("FUNCTION", "LOAD", library("one"))
    assert names() == [b"one"]
    raw("FUNCTION", "LOAD", library("two"))
    assert names() == [b"one", b"two"]
    both = raw("FUNCTION", "DUMP")
    raw("FUNCTION", "DELETE", "one")
    assert names() == [b"two"]
    raw("FUNCTION", "RESTORE", both, "REPLACE")
    assert names() == [b"one", b"two"]
    raw("CONFIG", "SET", "rdbcompression", "no")
    assert len(raw("FUNCTION", "DUMP")) > len(both)
    raw("CONFIG", "SET", "rdbcompression", "yes")
    assert raw("FUNCTION", "DUMP") == both
    raw("FUNCTION", "FLUSH")
    assert names() == []
    raw("FUNCTION", "RESTORE", both, "FLUSH")
    assert names() == [b"one", b"two"]
    raw("HELLO", 3)
    assert isinstance(raw("FUNCTION", "STATS"), dict)
    raw("HELLO", 2)
    assert names() == [b"one", b"two"]
