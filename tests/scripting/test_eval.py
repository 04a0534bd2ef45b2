# ruff: noqa: E501 - lists of scripts
"""EVAL and its kin: conversions both ways, errors, what a script may do, and what it leaves."""

import hashlib
import re

import pytest

from tests.support.resp import RespError
from tests.support.server import wait_until

SAME = [  # scripts that reply the same here and at a real server
    "return 1", "return 3.99", "return -3.99", "return 'x\\0y'", "return {1,2,{3,'a'}}", "return {1,nil,3}", "return nil",
    "return true", "return false", "return {ok='fine'}", "return {err='MY own'}", "return {double=3.5}", "return {1e15,2^53}",
    "return redis.status_reply('a b')", "return redis.error_reply('a b')", "return redis.error_reply('-OOPS a b')",
    "return redis.error_reply('single')", "return redis.error_reply()", "return redis.status_reply(1)", "return {{},{{}}}",
    "return redis.call('SET','k','v')", "return redis.call('GET','none')",
    "return redis.pcall('INCR','text')", "return redis.call('INCR','text')", "return redis.call('nosuch')",
    "return redis.call('GET')", "return redis.call()", "return redis.call({})", "return redis.call('SET','n',1.5,{})",
    "return {redis.call('SET','n',1e100), redis.call('GET','n')}", "redis.call('SET','n',10) return redis.call('GET','n')",
    "redis.call('SET','n',0.5) return redis.call('GET','n')", "redis.call('SET','n',2^53) return redis.call('GET','n')",
    "return redis.call('SUBSCRIBE','c')", "return redis.call('EVAL','return 1',0)", "return redis.call('CONFIG','GET','port')",
    "return redis.call('LRANGE','list',0,-1)", "return redis.call('HGETALL','hash')", "return redis.call('TYPE','list')",
    "redis.setresp(3) return redis.call('HGETALL','hash')", "redis.setresp(3) return redis.call('ZSCORE','zset','m')",
    "redis.setresp(3) return redis.call('GET','none')", "redis.setresp(3) return redis.call('SMEMBERS','one').set",
    "redis.setresp(3) return {true,false}", "redis.setresp(4)", "redis.setresp()", "return {map={a=1}}", "return {set={a=true}}",
    "return {big_number='123'}", "return {verbatim_string={format='txt',string='hi'}}", "return redis.sha1hex('abc')",
    "return {KEYS,ARGV,#KEYS,#ARGV}", "return redis.replicate_commands()", "return redis.set_repl(99)", "return redis.breakpoint()",
    "return redis.log('x','y')", "return redis.log(1)", "return redis.log(9,'y')", "return {pcall(error,'a')}",
    "return {pcall(function() return redis.call('nosuch') end)}", "return {pcall(error,{err='T x'})}", "error('a')", "error({err='E a'})",
    "error()", "return 1 +", "x = 1", "return x", "local a = nil; return a.b", "return {xpcall(function() error('a') end, function(e) return e end)}",
    "redis.call('SELECT',5) return redis.call('DBSIZE')", "return tostring(nil)", "return type(redis.call)", "return #'\\0\\255'",
    "return math.floor(3.7)", "return tonumber('0x10')", "return ('x'):upper()", "return select('#',1,2)", "return table.concat({1,2},',')",
    "return {redis.LOG_DEBUG,redis.LOG_WARNING,redis.REPL_ALL}", "return unpack({1,2})", "return coroutine.wrap(function() return 7 end)()",
    "return redis.acl_check_cmd('GET','k')", "return redis.acl_check_cmd('nosuch')", "math.randomseed(7) return tostring(math.random())",
    "math.randomseed(7) return math.random(100)", "math.randomseed(-1) return math.random(5,9)", "return string.format('%q','a\\n')",
]  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3])
def test_scripts_reply_as_a_real_server(both, protocol):
    if protocol == 3:
        both.resp3()
    both("MSET", "text", "abc", "num", 1)
    both("RPUSH", "list", "a", "b")
    both("HSET", "hash", "f", "v")
    both("ZADD", "zset", 1.5, "m")
    both("SADD", "one", "m")
    for script in SAME:
        both("EVAL", script, 1, "key", "argument")
    both("EVAL", "return 1", "x")
    both("EVAL", "return 1", -1)
    both("EVAL", "return 1", 2, "a")
    both("EVALSHA", "0" * 40, 0)
    both("EVALSHA", "short", 0)


def test_words_that_fill_up_the_place_of_a_call(raw):
    """16 KB of them go to the command as they are, more as a list. A number stands behind what is nearly full, and
    something long behind that."""
    script = """
        local wrong = {}
        for length = 16200, 16400 do
            redis.call('DEL', 'l')
            redis.call('RPUSH', 'l', ('x'):rep(length), 1234567.5, ('y'):rep(50000), 1)
            local got = redis.call('LRANGE', 'l', 0, -1)
            if got[1] ~= ('x'):rep(length) or got[2] ~= '1234567.5' or got[3] ~= ('y'):rep(50000) or got[4] ~= '1' then
                wrong[#wrong + 1] = length
            end
        end
        return wrong"""
    assert raw.ok("EVAL", script, 0) == []


def test_maps_and_sets_come_back_in_the_order_of_a_real_server(both):
    """A script's tables have the order in which they grew; a client of RESP2 sees it."""
    both("XGROUP", "CREATE", "stream", "10", "$", "MKSTREAM")
    scripts = [f"redis.setresp(3) return redis.call({words})" for words in (
        "'XINFO','GROUPS','stream'", "'XINFO','STREAM','stream'", "'HGETALL','hash'", "'SMEMBERS','set'")]
    for count in range(1, 34):
        both("HSET", "hash", f"field{count}", count)
        both("SADD", "set", count)
        for script in scripts:
            both("EVAL", script, 0)


@pytest.mark.parametrize(
    "script",
    [
        "#!lua\nreturn 1", "#!lua flags=no-writes\nreturn redis.call('SET','k',1)", "#!lua flags=nope\nreturn 1",
        "#!lua name=x\nreturn 1", "#!python\nreturn 1", "#!lua", "#!lua flags=allow-oom,no-writes\nreturn redis.call('GET','k')",
        "#!lua flags=no-cluster\nerror('line two')", "#!lua\n\nerror('line three')",
    ],
)  # fmt: skip
def test_shebang(both, script):
    both("EVAL", script, 0)
    both("EVAL_RO", script, 0)
    both("SCRIPT", "LOAD", script)


def test_cache(both):
    sha = both("SCRIPT", "LOAD", "return ARGV[1]")
    both("SCRIPT", "EXISTS", sha, sha.upper(), "0" * 40)
    both("EVALSHA", sha, 0, "x")
    both("EVALSHA", sha.upper(), 0, "x")
    both("EVALSHA_RO", sha, 0, "x")
    both("EVAL_RO", "return redis.call('SET','k',1)", 0)
    both("SCRIPT", "FLUSH", "WRONG")
    both("SCRIPT", "FLUSH", "ASYNC")
    both("SCRIPT", "EXISTS", sha)
    both("SCRIPT", "LOAD", "return (")
    both("SCRIPT", "KILL")
    both("FUNCTION", "KILL")


def test_a_script_is_one_transaction_of_its_effects(raw, another):
    feed = another()
    feed.send("MONITOR")
    assert feed.read() == "OK"
    raw.ok("EVAL", "redis.call('SET',KEYS[1],1) redis.call('INCR',KEYS[1]) return redis.call('GET',KEYS[1])", 1, "k")
    lines = [feed.read() for _ in range(4)]
    assert '"EVAL"' in lines[0] and all("lua]" in line for line in lines[1:])


def test_a_script_in_a_transaction(both):
    both("MULTI")
    both("EVAL", "return redis.call('INCR',KEYS[1])", 1, "n")
    both("EVAL", "return redis.call('NOSUCH')", 0)
    both("EXEC")


def test_blocked_clients_wake_after_the_script(raw, another):
    waiting = another()
    waiting.send("BLPOP", "q", 0)
    while raw.ok("CLIENT", "LIST").count(b"cmd=blpop") != 1:
        pass
    assert raw.ok("EVAL", "redis.call('RPUSH','q','a','b') return redis.call('LLEN','q')", 0) == 2
    assert waiting.read() == [b"q", b"a"]


def test_time_stands_still(raw):
    script = "local a = redis.call('TIME') for i = 1, 200000 do end redis.call('DEBUG','SLEEP','0') local b = redis.call('TIME') return {a, b}"
    raw.ok("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1)
    first, second = raw.ok("EVAL", script, 0)
    raw.ok("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 0)
    assert first == second


def test_errors_are_counted_once(raw, server):
    raw.ok("SET", "text", "abc")
    raw("EVAL", "return redis.call('INCR','text')", 0)
    assert server.info("errorstats")["errorstat_ERR"] == "count=1"
    raw("EVAL", "return redis.pcall('INCR','text')", 0)
    raw("EVAL", "return {err='MINE x'}", 0)
    stats = server.info("errorstats")
    assert stats["errorstat_ERR"] == "count=2" and stats["errorstat_MINE"] == "count=1"


def test_line_breaks_in_errors_do_not_reach_the_protocol(raw):
    for script in ("return {err='A x\\r\\n+OK'}", "return redis.error_reply('A x\\r\\n+OK')", "error({err='A x\\r\\n+OK'})"):
        reply = raw("EVAL", script, 0)
        assert isinstance(reply, RespError) and "\n" not in reply.text
    assert raw.ok("PING") == "PONG"


def test_memory_fields_of_info(raw, server):
    raw.ok("EVAL", "return 1", 0)
    raw.ok("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
    info = server.info("memory")
    assert info["number_of_cached_scripts"] == info["number_of_functions"] == info["number_of_libraries"] == "1"
    assert int(info["used_memory_vm_eval"]) > 1000 and int(info["used_memory_vm_functions"]) > 1000


def test_register_script_and_lock_of_redis_py(client):
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["n"], args=[5]) == 5
    client.script_flush()
    assert script(keys=["n"], args=[5]) == 10
    with client.lock("lock", timeout=5) as lock:
        assert not client.lock("lock", timeout=5).acquire(blocking=False)
        lock.extend(10)
        lock.reacquire()
    assert client.exists("lock") == 0


def test_evalsha_has_a_fast_path_that_answers_alike(both):
    """Every reply of a script is the same through EVAL (Python) and EVALSHA (native), here and at a real server."""
    both("MSET", "text", "abc", "num", 1)
    for script in SAME[:40]:
        sha = both("SCRIPT", "LOAD", script) if not script.endswith("+") else None
        if sha:
            both("EVALSHA", sha, 1, "key", "argument")
            both("EVALSHA", sha, 3, "key", "argument")
    both("LLEN", "list")


FORMS = ("EVAL", "EVAL_RO", "EVALSHA", "EVALSHA_RO")


def fast_commands(c):
    """How many commands have taken a fast path."""
    return int(re.search(rb"fast_path_commands:(\d+)", c("INFO", "debug"))[1])


@pytest.mark.parametrize("form", FORMS)
def test_a_known_script_is_run_natively_and_answers_alike(both, raw, form):
    """Whatever says it: by its text, by its SHA1, and where it may not write."""
    both("MSET", "text", "abc", "num", 1)
    for body in ("return {KEYS[1], ARGV[1], #KEYS, #ARGV}", "return redis.call('GET', 'text')",
                 "return redis.pcall('SET', KEYS[1], ARGV[1])", "return redis.call('INCR', 'num')",
                 "return redis.call('GET')", "return {err='MY own'}", "return redis.call('LPUSH', 'text', 1)"):
        sha = both("SCRIPT", "LOAD", body)
        name = sha if "SHA" in form else body
        before = fast_commands(raw)
        for words in (("1", "k", "v"), ("0",), ("2", "a", "b", "c")):
            both(form, name, *words)
        assert fast_commands(raw) >= before + 3        # of commands inside, some more
        for words in (("3", "a"), ("-1", "a"), ("x", "a")):
            both(form, name, *words)
    both("GET", "num")


def test_scripts_in_turn_are_told_apart(raw):
    """The one that ran last is found without looking: by its SHA1 and by its text, until SCRIPT FLUSH."""
    texts = ["return 1", "return 2", "return 'x'"]
    names = [raw.ok("SCRIPT", "LOAD", text) for text in texts]
    replies = [1, 2, b"x"]
    for order in ([0, 0, 1, 1, 0, 2], [2, 1, 2, 0, 0]):
        assert raw.pipeline([("EVALSHA", names[at], 0) for at in order]) == [replies[at] for at in order]
        assert raw.pipeline([("EVAL", texts[at], 0) for at in order]) == [replies[at] for at in order]
        assert raw.pipeline([command for at in order for command in (
            ("EVALSHA", names[at], 0), ("EVAL", texts[at], 0))]) == [replies[at] for at in order for _ in range(2)]
    assert raw.ok("EVALSHA", names[0].upper(), 0) == 1
    assert raw.ok("EVALSHA", names[0], 0) == 1
    for _ in range(3):
        raw.ok("SCRIPT", "FLUSH")
        assert raw("EVALSHA", names[0], 0) == RespError("NOSCRIPT No matching script. Please use EVAL.")
    assert raw.ok("EVAL", texts[1], 0) == 2
    assert raw("EVALSHA", names[0], 0) == RespError("NOSCRIPT No matching script. Please use EVAL.")
    assert raw.ok("EVALSHA", names[1], 0) == 2


def test_a_script_that_was_flushed_is_not_known_by_its_text(both):
    for _ in range(2):
        both("EVAL", "return KEYS[1]", 1, "k")
        both("SCRIPT", "FLUSH")
        both("SCRIPT", "EXISTS", hashlib.sha1(b"return KEYS[1]").hexdigest())
    both("EVAL", "return KEYS[1]", 1, "k")
    both("SCRIPT", "EXISTS", hashlib.sha1(b"return KEYS[1]").hexdigest())


def test_only_functions_that_declare_it_are_called_read_only(both, raw):
    both("FUNCTION", "LOAD", "REPLACE", "#!lua name=known\n"
         "redis.register_function('writes', function(k, a) return redis.call('SET', k[1], a[1]) end)\n"
         "redis.register_function{function_name='reads', callback=function(k, a) return redis.call('GET', k[1]) end, "
         "flags={'no-writes'}}")
    both("FCALL", "writes", 1, "k", "v")
    both("FCALL_RO", "writes", 1, "k", "v")
    before = fast_commands(raw)
    both("FCALL_RO", "reads", 1, "k")
    assert fast_commands(raw) >= before + 2
    both("FCALL_RO", "READS", 1, "none")
    both("FUNCTION", "FLUSH")
    both("FCALL_RO", "reads", 1, "k")


def test_evalsha_under_aof_propagates_its_effects(new_server):
    server = new_server(appendonly="yes")
    c = server.connect()
    sha = c.ok("SCRIPT", "LOAD", "redis.call('SET',KEYS[1],1) return redis.call('INCR',KEYS[1])")
    assert c.ok("EVALSHA", sha, 1, "k") == 2
    server.kill()
    server.start()
    assert server.connect().ok("GET", "k") == b"2"


def test_set_repl_chooses_who_hears_of_changes(raw):
    script = """
      redis.call('SET', 'all', 1)
      for name, whom in pairs{none=redis.REPL_NONE, aof=redis.REPL_AOF, replica=redis.REPL_REPLICA, slave=redis.REPL_SLAVE} do
        redis.set_repl(whom)
        redis.call('SET', name, 1)
        redis.pcall('SADD', 'all', 1)
      end
      redis.set_repl(redis.REPL_ALL)
      redis.call('INCR', 'all')"""
    raw.ok("DEBUG", "PROPAGATED", "START")
    try:
        raw("EVAL", script, 0)
        stream = raw.ok("DEBUG", "PROPAGATED", "GET")
    finally:
        raw.ok("DEBUG", "PROPAGATED", "STOP")
    told = [word for word in (b"all", b"none", b"aof", b"replica", b"slave", b"INCR") if word in stream]
    assert told == [b"all", b"aof", b"INCR"] and b"SADD" not in stream
    assert raw.ok("EXISTS", "none", "aof", "replica", "slave") == 4


@pytest.mark.parametrize("value", ["4", "-1", "'x'", "", "1, 2", "1.5", "nil"])
def test_set_repl_with_wrong_arguments(both, value):
    both("EVAL", f"return redis.set_repl({value})", 0, code_only=True)       # 7.0 says "two" where 7.2 says "one"


@pytest.mark.parametrize("flags", ["", "allow-oom", "no-writes", "allow-stale", None])
def test_a_script_is_judged_by_its_flags_when_memory_is_short(both, configure, flags):
    """Before it begins, as commands are; inside MULTI it spoils the transaction."""
    script = "return redis.pcall(unpack(ARGV))" if flags is None else f"#!lua flags={flags}\nreturn redis.pcall(unpack(ARGV))"
    sha = both("SCRIPT", "LOAD", script)
    if flags is not None:
        named = f"{{'{flags}'}}" if flags else "{}"
        both("FUNCTION", "LOAD", "REPLACE", "#!lua name=l\nredis.register_function{function_name='f', "
             f"callback=function(k, a) return redis.pcall(unpack(a)) end, flags={named}}}")  # fmt: skip
    both("SET", "k", "v")
    configure("maxmemory", 1)
    both.theirs.ok("CONFIG", "SET", "maxmemory", 1)
    try:
        for call in (("EVAL", script), ("EVAL_RO", script), ("EVALSHA", sha), ("EVALSHA_RO", sha), ("FCALL", "f"), ("FCALL_RO", "f")):
            for words in (("GET", "k"), ("SET", "k", "v"), ("DEL", "none"), ("PUBLISH", "c", "m"), ("PFCOUNT", "none")):
                both(*call, 0, *words)
        for call in (("EVAL", script), ("FCALL", "f")):
            both("MULTI")
            both(*call, 0, "GET", "k")
            both("EXEC")
    finally:
        both.theirs.ok("CONFIG", "SET", "maxmemory", 0)
        both("FUNCTION", "FLUSH")


def test_a_script_that_declares_no_writes_does_not_wait_for_writers(raw, another):
    sha = raw.ok("SCRIPT", "LOAD", "#!lua flags=no-writes\nreturn redis.call('GET', 'k')")
    raw.ok("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function{function_name='f', "
           "callback=function() return 7 end, flags={'no-writes'}}")  # fmt: skip
    raw.ok("CLIENT", "PAUSE", 60000, "WRITE")
    waiting = [another() for _ in range(3)]
    try:
        assert raw.ok("EVALSHA", sha, 0) is None
        assert raw.ok("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == raw.ok("EVAL_RO", "return 1", 0) == 1
        assert raw.ok("FCALL", "f", 0) == 7
        for c, words in zip(waiting, (("EVAL", "return 1", 0), ("EVAL", "#!lua\nreturn 1", 0), ("SET", "k", "v")), strict=True):
            c.send(*words)
        wait_until(lambda: b"blocked_clients:3" in raw.ok("INFO", "clients"), "they wait")
    finally:
        raw.ok("CLIENT", "UNPAUSE")
    assert [c.read() for c in waiting] == [1, 1, "OK"]


def test_a_transaction_of_scripts_that_declare_no_writes_does_not_wait_for_writers(raw, another):
    waiting = another()
    waiting.pipeline([("MULTI",), ("EVAL", "#!lua\nreturn 3", 0)])
    raw.ok("CLIENT", "PAUSE", 60000, "WRITE")
    try:
        raw.pipeline([("MULTI",), ("EVAL", "#!lua flags=no-writes\nreturn 1", 0), ("GET", "k")])
        assert raw.ok("EXEC") == [1, None]
        waiting.send("EXEC")
        wait_until(lambda: b"blocked_clients:1" in raw.ok("INFO", "clients"), "it waits")
    finally:
        raw.ok("CLIENT", "UNPAUSE")
    assert waiting.read() == [3]


def test_a_script_deletes_an_expired_key(raw):
    raw.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        raw.ok("SET", "key", "value", "PX", 1)
        wait_until(lambda: b"encoding:expired" in raw.ok("DEBUG", "OBJECT", "key").encode(), "its time is over")
        assert raw.ok("EVAL", "return redis.call('EXISTS', 'key')", 1, "key") == 0
        assert isinstance(raw("DEBUG", "OBJECT", "key"), RespError)
    finally:
        raw.ok("DEBUG", "SET-ACTIVE-EXPIRE", 1)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("2^53", b"9007199254740992"), ("2^62", b"4611686018427387904"), ("-2^62", b"-4611686018427387904"),
        ("2^62 + 1024", b"4611686018427389000"), ("9.2e18", b"9.2e+18"), ("-9.2e18", b"-9.2e+18"), ("2^63", b"9223372036854776000"),
        ("5459677262240662000", b"5459677262240662000"), ("1e19", b"1e+19"), ("-0.0", b"0"), ("0/0", b"-nan"), ("-(0/0)", b"nan"),
    ],
)  # fmt: skip
def test_whole_numbers_that_commands_get(raw, number, text):
    """Up to 2^62 all digits, beyond it the shortest that mean the number, as in 7.2."""
    assert raw.ok("EVAL", f"redis.call('SET', 'k', {number}) return redis.call('GET', 'k')", 0) == text


@pytest.mark.parametrize("bounds", ["4294967296, 2147483647", "1, 9000000", "-2147483648, 2147483647"])
def test_unpack_of_more_than_there_can_be(raw, bounds):
    assert "too many results to unpack" in raw("EVAL", f"return #{{unpack({{}}, {bounds})}}", 0).text
    assert raw("PING") == "PONG"


def test_texts_that_do_not_compile_leave_nothing(server, raw):
    def held() -> int:
        return int(server.info("memory")["used_memory_lua"])

    raw.ok("SCRIPT", "FLUSH")
    before = held()
    texts = [("EVAL", f"return name_{i} = 'text {i}'", 0) for i in range(8000)]
    assert all(isinstance(reply, RespError) for reply in raw.pipeline(texts))
    assert held() - before < 600_000
    assert server.info("memory")["number_of_cached_scripts"] == "0"


@pytest.mark.parametrize("load", ["", "loadstring('return 1')()", "for i = 1, 1000 do loadstring('return ' .. i) end"])
def test_garbage_is_collected_behind_a_text_that_was_compiled(raw, load):
    held = raw.ok("EVAL", f"{load} local t for i = 1, 300000 do t = {{i}} end return collectgarbage('count')", 0)
    assert held < 4000


def test_garbage_of_scripts_that_are_new_is_collected(server, raw):
    raw.ok("SCRIPT", "FLUSH")
    for turn in range(10):
        scripts = [("EVAL", f"local t = {{}} for i = 1, 100 do t[i] = {{{turn}, {i}}} end return 1", 0) for i in range(100)]
        assert raw.pipeline(scripts) == [1] * 100
    assert int(server.info("memory")["used_memory_lua"]) < 5_000_000       # of 9 that they made, and 1 of their own


def test_a_new_script_takes_the_fast_way(server, raw):
    def taken() -> int:
        return int(server.info("debug")["fast_path_commands"])

    raw.ok("SCRIPT", "FLUSH")
    before = taken()
    assert [raw.ok("EVAL", f"return {i}", 0) for i in range(3)] == [0, 1, 2]
    assert taken() - before == 3
    assert raw.ok("EVAL", "#!lua\nreturn 4", 0) == 4
    assert isinstance(raw("EVAL", "return (", 0), RespError)
    assert taken() - before == 3
    assert server.info("memory")["number_of_cached_scripts"] == "4"


def test_an_unknown_script_is_an_error_that_counts(both, raw):
    sha = "0" * 40
    raw("CONFIG", "RESETSTAT")
    for name in (sha, sha.upper(), "A" * 39, ""):
        for form in ("EVALSHA", "EVALSHA_RO"):
            both(form, name, 0)
    assert b"errorstat_NOSCRIPT:count=8" in raw("INFO", "errorstats")
    known = both("SCRIPT", "LOAD", "return KEYS[1]")
    both("EVALSHA", known.upper(), 1, "k")
    both("EVALSHA", sha, "x")
    both("EVALSHA", sha, 2, "k")
