# ruff: noqa: E501 - lists of scripts
"""What a script cannot do: change what others share, reach the outside, or take the server down. One test per known hole."""

import re
import signal

import pytest

from iothreads.handoff import POLLERS
from tests.support.resp import RespError, encode
from tests.support.server import wait_until

READONLY = "Attempt to modify a readonly table"


@pytest.mark.parametrize(
    "script",
    [
        "redis = 1", "_G = {}", "redis.call = 1", "string.rep = 1", "cjson.encode = 1", "cmsgpack.pack = 1", "bit.band = 1",
        "struct.pack = 1", "table.insert = 1", "math.random = 1", "coroutine.wrap = 1", "new = 1", "rawset(_G, 'x', 1)",
        "rawset(redis, 'x', 1)", "setmetatable(_G, {})", "setmetatable(string, {})", "table.insert(redis, 1)", "table.sort(_G)",
        "table.remove(string)", "getmetatable(_G).__index = 1", "getmetatable('').__index = 1", "getmetatable('').__index.rep = 1",
        "getmetatable(redis).__newindex = nil", "getmetatable(_G).__index.redis = 1", "KEYS = {}", "pcall = 1",
    ],
)  # fmt: skip
def test_what_is_shared_is_read_only(raw, script):
    reply = raw("EVAL", script, 0)
    assert isinstance(reply, RespError) and READONLY in reply.text
    assert raw.ok("EVAL", "return ('ab'):rep(2) .. cjson.encode({1}) .. type(redis.call)", 0) == b"abab[1]function"


def test_another_environment_lasts_for_one_run(raw):
    for script in ("setfenv(0, {}) return 1", "setfenv(1, {}) return 1"):
        assert raw.ok("EVAL", script, 0) == 1
        assert raw.ok("EVAL", script, 0) == 1
    assert raw.ok("EVAL", "return type(redis.call)", 0) == b"function"


@pytest.mark.parametrize(
    "name", ["package", "io", "os", "debug", "require", "module", "dofile", "loadfile", "print", "python", "lupa", "arg"]
)  # CVE-2022-0543, and what lupa would offer
def test_nothing_leads_outside(raw, name):
    reply = raw("EVAL", f"return {name}", 0)
    assert isinstance(reply, RespError) and f"nonexistent global variable '{name}'" in reply.text
    assert raw("EVAL", f"return rawget(_G, '{name}')", 0) is None


def test_globals_are_those_of_the_field(both):
    """Debian's 7.0 has no getfenv, setfenv and newproxy; the error handler is no global here."""
    both("EVAL", "local names = {} for name in pairs(_G) do if not name:find('fenv') and not name:find('__redis') and name ~= 'newproxy' then "
                 "names[#names+1] = name end end table.sort(names) return names", 0)  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [
        "return {loadstring(string.dump(function() return 1 end))}",
        "return {loadstring('\\27Lua')}",
        "local s = string.dump(function() end) return {load(function() local p = s s = nil return p end)}",
        "local at, s = 0, string.dump(function() end) return {load(function() at = at + 1 return s:sub(at, at) end)}",
    ],
)
def test_bytecode_is_not_loaded(raw, script):  # CVE-2015-4335
    assert raw.ok("EVAL", script, 0) == []


def test_text_is_loaded_from_pieces(raw):
    script = "local n = 0 return load(function() n = n + 1 if n <= 300 then return 'x=' end if n == 301 then return '1' end end)"
    assert raw("EVAL", script, 0) is None
    assert raw.ok("EVAL", "local p = {'return ', '4', '2'} return load(function() return table.remove(p, 1) end)()", 0) == 42
    assert raw.ok("EVAL", "return loadstring('return 42')()", 0) == 42


@pytest.mark.parametrize(
    "script",
    [
        "return string.rep('x', 2^40)", "return string.rep('xx', 2^31 - 1)", "return string.rep('', 2^31 - 1)",
        "return {unpack({}, 0, 2^31 - 1)}", "return {unpack({}, -2^31, 2^31 - 1)}", "return {unpack({}, 1, 1e308)}",
        "return table.concat({}, '', -2^31, 2^31 - 1)", "local function f() return 1 + f() end return f()",
        "local t = {} for i = 1, 1e6 do t[i] = i end return #{unpack(t)}", "return ('x'):rep(1e6):gsub('.', ('y'):rep(1000))",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end", "local s = 'x' while true do s = s .. s end",
        "return struct.pack('>I2147483648', 10)", "return struct.unpack('c2147483647', 'x')", "return struct.pack('i99999999999', 1)",
        "return struct.unpack('I4', 'abcd', 2^31)", "return struct.unpack('c0', 'a')", "return struct.unpack('bc0', '\\255')",
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "return cmsgpack.unpack(('\\145'):rep(1e5))", "return cmsgpack.unpack('\\193')",
        "return cmsgpack.unpack('\\219\\255\\255\\255\\255x')", "return cmsgpack.unpack_limit('\\1', 1, -1)", "return bit.tohex(1, -2147483648)",
        "local t = {} for i = 1, 5000 do t = {t} end return cjson.encode(t)", "return cjson.decode(('['):rep(1e5))",
        "cjson.encode_max_depth(2^31-1) local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)", "return cjson.encode(('x'):rep(2e8))",
        "return loadstring(('['):rep(1e5))", "return loadstring('[' .. ('='):rep(1e6))", "return loadstring('x=' .. ('('):rep(1e5))",
        "return loadstring(('a=a..'):rep(1e5) .. 'a')", "getmetatable(newproxy(true)).__gc = function() end",
        "for i = 1, 300 do loadstring('local ' .. ('a'):rep(i) .. i .. '=1 ' .. collectgarbage('step', 1)) end return 1",
        "collectgarbage('stop') for i = 1, 1e5 do local t = {i} end return 1", "return {string.find(('a'):rep(1e5), ('(a'):rep(100))}",
        "local a = {} a[1] = a return #a", "return string.format('%' .. ('9'):rep(1e3) .. 'd', 1)", "coroutine.wrap(coroutine.wrap(error))()",
        "local function f(n) return coroutine.wrap(f)(n + 1) end return f(1)", "return ('x'):rep(-1)", "return tostring(setmetatable({}, {__tostring = error}))",
        "return string.match(('a'):rep(3e5), ('a?'):rep(3e5))", "return string.match('', ('('):rep(1e6))", "return {('x'):find(('%f[x]'):rep(1e6))}",
        "return table.insert({}, 2^53, 1)", "cjson.decode_max_depth(2^31-1) return cjson.decode(('['):rep(1e6))",
        "cjson.encode_sparse_array(true, 0, 0) return #cjson.encode({[2^31-1] = 1})", "return loadstring(('do '):rep(1e6))",
        "error(setmetatable({}, {__index = error, __newindex = error}))", "error(redis)", "return setmetatable({}, {__index = error})",
    ],
)  # fmt: skip
def test_the_server_survives(raw, script):
    """CVE-2018-11218 to 2025-49844: sizes, recursion, malformed input, the parser under a collector."""
    raw("EVAL", script, 0)
    raw.ok("SCRIPT", "FLUSH")
    assert raw.ok("EVAL", "cjson.encode_max_depth(1000) return cjson.encode({1})", 0) == b"[1]"


def test_a_table_within_itself_ends_in_an_error(raw):
    raw.send("EVAL", "local a = {} local b = {a} a[1] = b return a", 0)
    data = b""
    while not data.endswith(b"-ERR reached lua stack limit\r\n"):
        data += raw.read_raw(1)
    assert set(data.split(b"\r\n")[:-2]) == {b"*1"}
    assert raw.ok("PING") == "PONG"


@pytest.mark.parametrize(
    "script",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local function f() while true do xpcall(function() while true do end end, f) end end while true do pcall(f) end",
        "while true do redis.pcall('GET', 'k') end",
        "local t = {} while true do t[#t % 10 + 1] = ('x'):rep(1000) .. #t end",
        "local s while true do pcall(function() s = 'x' while true do s = s .. s end end) end",
        "while true do local s = ('x'):rep(3e7) end",
        "while true do pcall(string.rep, 'x', 3e7) end",
        "while true do coroutine.resume(coroutine.create(function() return ('x'):rep(3e6):upper() end)) end",
        "local n = 0 while true do n = n + 1 xpcall(function() return table.concat({('x'):rep(1e6), n}) end, function() end) end",
        "while true do pcall(coroutine.wrap(function() error('x') end)) end",
        "return string.find(('('):rep(3e5), '%b()')",
        "return string.gsub(('x'):rep(1e5), ('a-'):rep(9e4), '')",
        "return string.gsub(('a'):rep(1e5), ('a-'):rep(1e4) .. 'b', '')",
        "return string.find(('a'):rep(1e6), '.-b')",
        "return string.match(('a'):rep(1e4), ('.*'):rep(30) .. 'b')",
        "for w in ('a'):rep(1e6):gmatch('()a-()b') do end",
        "return string.gsub(('x'):rep(1e6), '.', ('%0'):rep(1e4))",
        "table.insert({}, -2147483648, 1)",
        "local t = {} for i = 1, 1e5 do t[i] = i % 7 end while true do table.sort(t) end",
        "while true do table.sort({3, 1, 2}, function() while true do end end) end",
        "local t = {} for i = 1, 1e6 do t[i] = 'x' end while true do table.concat(t) end",
        "local t = {} for i = 1, 1e6 do t[i] = 1 end while true do table.remove(t, 1) table.maxn(t) end",
        "local t = {} t[1] = t t[2] = t return t",
        "local t = {} t.map = {a = t, b = t} return t",
        "local x = {} for i = 1, 60 do x = {x, x} end return cjson.encode(x)",
        "local x = {} for i = 1, 15 do x = {x, x, x, x, x, x, x, x} end return cmsgpack.pack(x)",
        "local t, u = {}, {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e5 do t[i] = nil u[i] = t end while true do cjson.encode(u) end",
        "local s = ('9'):rep(1e7) while true do tonumber(s) unpack({}, s) string.char(s, s) end",
        "load(function() return ' ' end)",
        "loadstring('local a while 1 do ' .. ('do break end '):rep(1e6) .. 'end')",
        "local t = {} for i = 1, 1e6 do t[i] = {} end while true do collectgarbage() loadstring('x=') end",
    ],
)
def test_a_script_that_does_not_end_can_be_killed(raw, another, configure, script):
    configure("busy-reply-threshold", 20)
    running, other = another(), another()
    running.send("EVAL", script, 0)
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    assert other("FUNCTION", "KILL").code == "BUSY"
    assert other.ok("SCRIPT", "KILL") == "OK"
    assert "Script killed by user" in running.read().text
    assert raw.ok("PING") == "PONG"


def test_a_script_that_wrote_cannot_be_killed_and_goes_on(raw, another, configure):
    configure("busy-reply-threshold", 20)
    running, other = another(), another()
    running.send("EVAL", "redis.call('SET','k',1) for i = 1, 4e7 do end return redis.call('INCR','k')", 0)
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    assert other("SCRIPT", "KILL").code == "UNKILLABLE"
    assert running.read() == 2
    assert raw("SCRIPT", "KILL").code == "NOTBUSY"


def test_the_caller_may_go_away_while_its_script_runs(raw, another, configure):
    configure("busy-reply-threshold", 20)
    running, other = another(), another()
    running.send("EVAL", "while true do end", 0)
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    running.close()
    assert other("PING").code == "BUSY"
    assert other.ok("SCRIPT", "KILL") == "OK"
    wait_until(lambda: other("PING") == "PONG", "PONG")
    wait_until(lambda: raw.ok("CLIENT", "LIST").count(b"cmd=eval") == 0, "the caller is forgotten")


def test_no_key_makes_room_while_a_script_lets_others_speak(raw, another, configure):
    """They are refused, and nothing is to be had for them: to the script the keys are as it left them."""
    configure("busy-reply-threshold", 1)
    configure("maxmemory-policy", "allkeys-random")
    configure("maxmemory", "4mb")
    running, other = another(), another()
    running.send("EVAL", "for i = 1, 8000 do redis.call('SET', 'k' .. i, ('x'):rep(1000)) end for i = 1, 3e7 do end return redis.call('DBSIZE')", 0)
    wait_until(lambda: getattr(other("GET", "k1"), "code", "") == "BUSY", "BUSY")
    while running.nothing_comes(0.001):
        other("SET", "mine", 1)
        other("GET", "k1")
    assert running.read() == 8000
    wait_until(lambda: other("DBSIZE") < 8000, "room is made once it is over")


def test_no_key_expires_while_a_script_lets_others_speak(raw, another, configure):
    """Not even where so much expires that the server looks before each sleep."""
    configure("busy-reply-threshold", 1)
    configure("active-expire-effort", 10)
    running, other = another(), another()

    def much_expires() -> bool:
        raw.pipeline([("SET", f"k{i}", 1, "PX", 1) for i in range(1000)])
        return float(re.search(rb"expired_stale_perc:(.*)\r", raw.ok("INFO", "stats"))[1]) > 3

    wait_until(much_expires, "expired_stale_perc")
    running.send("EVAL", "for i = 1, 1000 do redis.call('SET', 'mine' .. i, 1, 'PX', 1) end local before = redis.call('DBSIZE') "
                         "for i = 1, 3e7 do end return redis.call('DBSIZE') - before", 0)
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    while running.nothing_comes(0.001):
        other("PING")
    assert running.read() == 0


def test_replies_before_a_busy_script_stay_in_step(raw, another, configure):
    """Others are served meanwhile, and the caller has output already that could leave with theirs; the script's own
    reply is unsaid."""
    configure("busy-reply-threshold", 20)
    endless = raw.ok("SCRIPT", "LOAD", "while true do end")
    running, other = another(), another()
    running.send_raw(b"".join(encode(*words) for words in (
        ("BLPOP", "l", 0), ("CLIENT", "REPLY", "SKIP"), ("EVALSHA", endless, 0), ("PING",))))
    wait_until(lambda: raw.ok("INFO", "clients").count(b"blocked_clients:1"), "blocked")
    raw.ok("RPUSH", "l", "x" * 100)
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    assert other.ok("SCRIPT", "KILL") == "OK"
    assert running.read_many(2) == [[b"l", b"x" * 100], "PONG"]
    assert other.ok("PING") == "PONG" and running("ECHO", "on") == b"on"


def test_all_who_were_ready_when_a_script_became_busy_are_answered(new_server):
    """More of them than run together: what the turn had found of the others is not lost with the script's own turns."""
    server = new_server(busy_reply_threshold=20)
    running, *others = [server.connect() for _ in range(100)]
    server.signal(signal.SIGSTOP)                        # one look finds all of them
    running.send("EVAL", "while true do end", 0)
    for other in others:
        other.send("PING")
    server.signal(signal.SIGCONT)
    replies = {str(getattr(reply, "code", reply)) for reply in (other.read() for other in others)}
    before = {"PONG"} if POLLERS[""] == POLLERS["poll"] else set()      # epoll and kqueue tell in the order of arrival
    assert "BUSY" in replies and replies <= {"BUSY", *before}
    assert others[0].ok("SCRIPT", "KILL") == "OK"
    assert "Script killed by user" in running.read().text


def test_who_comes_after_a_long_script_sees_the_time_after_it(raw):
    long = raw.ok("SCRIPT", "LOAD", "for i = 1, 1e7 do end return redis.status_reply('done')")

    def expires_late() -> bool:
        before, done, _, when, after = raw.pipeline([
            ("TIME",), ("EVALSHA", long, 0), ("SET", "k", "v", "PX", 100000), ("PEXPIRETIME", "k"), ("TIME",)])
        began, ended = (int(seconds) * 1000 + int(us) // 1000 for seconds, us in (before, after))
        return done == "done" and ended - (when - 100000) < when - 100000 - began

    assert any(expires_late() for _ in range(3))         # unless the machine stood still between the last two


def test_shutdown_ends_a_busy_script(new_server):
    server = new_server(busy_reply_threshold=20)
    running, other = server.connect(), server.connect()
    running.send("EVAL", "redis.call('SET','k',1) while true do end", 0)
    wait_until(lambda: getattr(other("PING"), "code", "") == "BUSY", "BUSY")
    other.send("SHUTDOWN", "NOSAVE")
    assert server.wait_exit() == 0


def test_a_script_runs_no_other_whatever_debug_allows(raw):
    raw.ok("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1)
    for words in ("'EVAL', 'return 1', 0", "'SCRIPT', 'FLUSH'", "'FUNCTION', 'FLUSH'", "'SCRIPT', 'LOAD', 'return 2'", "'FCALL', 'f', 0"):
        reply = raw("EVAL", f"return redis.call({words})", 0)
        assert "This Redis command is not allowed from script" in reply.text
    raw.ok("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 0)


def test_there_is_no_debugger(raw):  # CVE-2021-32672: its protocol was read past the buffer
    raw.ok("SCRIPT", "DEBUG", "NO")
    for mode in ("YES", "SYNC"):
        assert "not offered" in raw("SCRIPT", "DEBUG", mode).text
    for words in (("cont",), ("break", "0"), ("print", "x"), ("eval", "1"), ("",)):
        assert isinstance(raw(*words), RespError)
    assert raw.ok("PING") == "PONG"


@pytest.mark.parametrize("value", ["1", "true", "nil", "function() end", "coroutine.create(function() end)"])
def test_basic_types_share_no_metatable(both, value):  # CVE-2025-46818
    both("EVAL", f"local m = getmetatable({value}) m.__index = 1", 0)
    both("EVAL", f"return setmetatable({value}, {{}})", 0)
    assert both("EVAL", f"return type(getmetatable({value}))", 0) == b"nil"


@pytest.mark.parametrize(
    "script",
    ["", " ", "\n", "\0", "return", "--", "--[[", "--[==[", "[", "[=", "[==", "[=[", "return [=[", "return [[x", "return [=x", "'", '"\\',
     "return '\\", "#", "#!", "#!lua", "#!lua\n", "\x1b", "\xef\xbb\xbfreturn 1", "return 0x", "return 1e", "return ...", "=", "::a::", "goto a",
     "return [" + "=" * 70000, "return [" + "=" * 70000 + "[x]" + "=" * 69999 + "]", "--[" + "=" * 70000],
)  # fmt: skip
def test_odd_scripts(both, script):  # CVE-2022-24736, 2025-46819
    both("EVAL", script, 0)
    both("SCRIPT", "LOAD", script)
