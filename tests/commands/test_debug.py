"""DEBUG: the subcommands that tests rely on, and the ends of a server that crashes."""

import signal

import pytest

from tests.support.resp import BigNumber, ConnectionClosed, Push, RespError, RespSet, Status, encode
from tests.support.server import wait_until

ZEROS = "0" * 40


def digest(c):
    return str(c("DEBUG", "DIGEST"))


# ---- digest
def test_digest_of_nothing(raw):
    assert digest(raw) == ZEROS
    assert raw("DEBUG", "DIGEST-VALUE", "none") == [Status(ZEROS)]


def test_digest_depends_on_the_data_alone(raw):
    raw("SET", "a", 1)
    raw("SET", "b", "x")
    first = digest(raw)
    raw("FLUSHALL")
    raw("SET", "b", "x")
    raw("INCR", "a")
    assert digest(raw) == first
    raw("SET", "a", 2)
    assert digest(raw) != first
    raw("SET", "a", 1, "EX", 100)
    assert digest(raw) != first
    raw("PERSIST", "a")
    assert digest(raw) == first


def test_digest_knows_databases_and_names(raw):
    raw("SET", "a", 1)
    here = digest(raw)
    raw("MOVE", "a", 1)
    there = digest(raw)
    assert len({here, there, ZEROS}) == 3
    values = raw("DEBUG", "DIGEST-VALUE", "a", "a")
    assert values == [Status(ZEROS)] * 2


@pytest.mark.parametrize(("entries", "value"), [
    (128, "8e28f351ad67e51cbbb828db8ddc038f76391058"), (0, "bece8c69426043378c01407ca4410c69b5501c72"),
])  # fmt: skip
def test_digest_takes_scores_by_their_shortest_digits(raw, configure, entries, value):
    """A real 7.2.6 says so. A listpack has no negative zero."""
    configure("zset-max-listpack-entries", entries)
    raw("ZADD", "z", 5e9, "a", 1e8, "b", 3, "c", 0.5, "d", 1e7, "e", "inf", "f", -1e20, "g", "-0.0", "h")
    assert raw("DEBUG", "DIGEST-VALUE", "z") == [Status(value)]


def test_digest_value_does_not_know_names(raw):
    raw("MSET", "a", "same", "b", "same", "c", "other")
    a, b, c = raw("DEBUG", "DIGEST-VALUE", "a", "b", "c")
    assert a == b != c


# ---- data
def test_populate(raw):
    raw("SET", "p:1", "mine")
    assert raw("DEBUG", "POPULATE", 3, "p") == Status("OK")
    assert raw("MGET", "p:0", "p:1", "p:2", "p:3") == [b"value:0", b"mine", b"value:2", None]
    raw("DEBUG", "POPULATE", 2, "q", 10)
    raw("DEBUG", "POPULATE", 2, "r", 3)
    assert raw("MGET", "q:0", "r:1") == [b"value:0\0\0\0", b"val"]
    raw("DEBUG", "POPULATE", 1000)
    assert raw("DBSIZE") == 1007


def test_object(raw):
    raw("SET", "k", "abc")
    fields = dict(part.split(":", 1) for part in raw("DEBUG", "OBJECT", "k").split(" ")[1:])
    assert fields["encoding"] == "embstr"
    assert fields["serializedlength"] == "4"
    assert fields["refcount"] == "1"
    assert int(fields["lru"]) > 0
    assert fields["lru_seconds_idle"] == "0"
    assert raw("DEBUG", "OBJECT", "none") == RespError("ERR no such key")


def test_tables(raw):
    assert b"No stats available" in raw("DEBUG", "HTSTATS", 0)
    raw("DEBUG", "POPULATE", 100)
    assert b"number of elements: 100" in raw("DEBUG", "HTSTATS", 0, "full")
    assert raw("DEBUG", "HTSTATS", 99) == RespError("ERR Out of range database")
    raw("SET", "k", 1)
    assert isinstance(raw("DEBUG", "HTSTATS-KEY", "k"), RespError)


def test_how_long_the_chains_of_a_table_are(raw):
    raw("SADD", "set", *[f"member:{i}" for i in range(1000)])
    text = raw("DEBUG", "HTSTATS-KEY", "set", "full").decode()
    slots = int(text.partition("different slots: ")[2].partition("\n")[0])
    longest = int(text.partition("max chain length: ")[2].partition("\n")[0])
    assert 0 < slots <= 1000 and 1000 / slots <= longest <= 30
    assert "   0: " in text and "different slots" not in raw("DEBUG", "HTSTATS-KEY", "set").decode()
    assert "different slots" not in raw("DEBUG", "HTSTATS", 0).decode()
    assert "max chain length: " in raw("DEBUG", "HTSTATS", 0, "FULL").decode()


# ---- replies
def test_protocol(raw3):
    assert raw3("DEBUG", "PROTOCOL", "string") == b"Hello World"
    assert raw3("DEBUG", "PROTOCOL", "integer") == 12345
    assert raw3("DEBUG", "PROTOCOL", "double") == 3.141
    assert raw3("DEBUG", "PROTOCOL", "bignum") == BigNumber("1234567999999999999999999999999999999")
    assert raw3("DEBUG", "PROTOCOL", "null") is None
    assert raw3("DEBUG", "PROTOCOL", "set") == RespSet([0, 1, 2])
    assert raw3("DEBUG", "PROTOCOL", "map") == {0: False, 1: True, 2: False}
    assert raw3("DEBUG", "PROTOCOL", "attrib") == b"Some real reply following the attribute"
    assert raw3.attributes == {b"key-popularity": [b"key:123", 90]}
    assert raw3("DEBUG", "PROTOCOL", "verbatim") == b"This is a verbatim\nstring"
    assert raw3("DEBUG", "PROTOCOL", "true") is True
    assert raw3("DEBUG", "PROTOCOL", "false") is False


def test_push(raw, raw3):
    assert isinstance(raw("DEBUG", "PROTOCOL", "push"), RespError)
    raw3.send("DEBUG", "PROTOCOL", "push")
    assert sorted([repr(raw3.read()), repr(raw3.read())]) == sorted(
        [repr(Push([b"server-cpu-usage", 42])), repr(b"Some real reply following the push reply")]
    )


@pytest.mark.parametrize(
    "kind",
    [
        "string",
        "integer",
        "double",
        "bignum",
        "null",
        "array",
        "set",
        "map",
        "attrib",
        "push",
        "verbatim",
        "true",
        "false",
        "nonsense",
    ],
)
@pytest.mark.parametrize("protocol", [2, 3])
def test_protocol_as_redis(both, kind, protocol):
    if protocol == 3:
        both.resp3()
        if kind in ("push", "attrib"):
            return
    both("DEBUG", "PROTOCOL", kind)


def test_error_text(both):
    both("DEBUG", "ERROR", "CODE some\ntext")
    both("DEBUG", "ERROR")
    both("DEBUG", "NONE")


# ---- switches
def test_active_expire(raw):
    raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    raw("SET", "k", 1, "PX", 1)
    raw("DEBUG", "SLEEP", "0.01")
    assert raw("DBSIZE") == 1
    raw("DEBUG", "SET-ACTIVE-EXPIRE", 1)


@pytest.mark.parametrize(
    "words",
    [
        ("REPLYBUFFER", "PEAK-RESET-TIME", "NEVER"),
        ("REPLYBUFFER", "PEAK-RESET-TIME", "reset"),
        ("REPLYBUFFER", "RESIZING", 1),
        ("SET-DISABLE-DENY-SCRIPTS", 0),
        ("AOF-FLUSH-SLEEP", 0),
        ("SET-SKIP-CHECKSUM-VALIDATION", 0),
        ("CHANGE-REPL-ID",),
        ("LEAK", "x"),
        ("LOG", "x"),
        ("DICT-RESIZING", 1),
        ("DROP-CLUSTER-PACKET-FILTER", -1),
        ("FAST-PATHS", "yes"),
    ],
)
def test_ok(raw, words):
    assert raw("DEBUG", *words) == Status("OK")


def test_texts(raw):
    assert raw("DEBUG", "STRINGMATCH-LEN", "a*c", "abc") == 1
    assert raw("DEBUG", "STRINGMATCH-TEST") == Status("Apparently Redis did not crash: test passed")
    assert raw("DEBUG", "STRUCTSIZE").startswith(b"bits:")
    assert b":" in raw("DEBUG", "JMAP")
    assert raw("DEBUG", "HELP")[0].startswith("DEBUG <subcommand>")
    assert raw("DEBUG", "REPLYBUFFER", "x", 1).text.endswith("Try DEBUG HELP.")


def test_fast_paths_can_be_turned_off(raw):
    raw("DEBUG", "FAST-PATHS", "no")
    raw("SET", "k", 1)
    assert raw("INCR", "k") == 2
    raw("DEBUG", "FAST-PATHS", "yes")
    assert raw("INCR", "k") == 3
    assert isinstance(raw("DEBUG", "FAST-PATHS", "perhaps"), RespError)


def test_propagated(raw):
    raw("DEBUG", "PROPAGATED", "START")
    raw("SET", "k", 1)
    raw("GET", "k")
    raw("DEL", "none")
    stream = raw("DEBUG", "PROPAGATED", "GET")
    assert stream == (b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n")
    raw("FLUSHALL")
    assert raw("DEBUG", "PROPAGATED", "GET").endswith(b"*1\r\n$8\r\nFLUSHALL\r\n")
    raw("DEBUG", "PROPAGATED", "STOP")
    assert raw("DEBUG", "PROPAGATED", "GET") == b""


def test_who_had_files_loaded_may_leave_before_they_are(new_server):
    """Others are served meanwhile, and its end is noticed; its batch is not over."""
    server = new_server(appendonly=True, loading_process_events_interval_bytes=1024)
    other = server.connect()
    other.ok("DEBUG", "POPULATE", 2000, "k", 200)
    other.ok("BGREWRITEAOF")
    wait_until(lambda: server.log().count("Background AOF rewrite finished successfully"), "the file is rewritten")
    for word, said in ("RELOAD", "DB reloaded by DEBUG RELOAD"), ("LOADAOF", "loaded by DEBUG LOADAOF"):
        for times in range(1, 4):
            with server.connect() as leaving:
                leaving.send_raw(encode("DEBUG", word) + 2 * encode("PING"))
            wait_until(lambda said=said, times=times: server.log().count(said) == times, said)
            wait_until(lambda: other("DBSIZE") == 2000, "all is there")
    wait_until(lambda: other.ok("CLIENT", "LIST").count(b"\n") == 1, "those who left are forgotten")


# ---- ends
def crashed(server, *words):
    with pytest.raises(ConnectionClosed):
        server.connect()(*words)
    status = server.wait_exit()
    return status, server.log()


def test_segfault(new_server):
    status, log = crashed(new_server(), "DEBUG", "SEGFAULT")
    assert status == -signal.SIGSEGV
    for text in (
        "=== REDIS BUG REPORT START: Cut & paste starting from here ===",
        "crashed by signal: 11, si_code: ",
        "Accessing address: 0x",
        "argv[1]: '\"SEGFAULT\"'",
        "in segfault",
        "=== REDIS BUG REPORT END.",
    ):
        assert text in log, text


def test_segfault_with_a_log_file(new_server, tmp_path):
    server = new_server(logfile=str(tmp_path / "own.log"))
    assert crashed(server, "DEBUG", "SEGFAULT")[0] == -signal.SIGSEGV
    assert "crashed by signal" in (tmp_path / "own.log").read_text()


def test_signal_from_outside(new_server):
    server = new_server()
    server.signal(signal.SIGABRT)
    assert server.wait_exit() == -signal.SIGABRT
    assert "crashed by signal: 6" in server.log()
    assert "Killed by PID:" in server.log()


def test_no_report_when_not_wanted(new_server):
    server = new_server(crash_log_enabled=False)
    assert crashed(server, "DEBUG", "SEGFAULT")[0] == -signal.SIGSEGV
    assert "BUG REPORT" not in server.log()


def test_panic_and_assert(new_server):
    status, log = crashed(new_server(), "DEBUG", "PANIC")
    assert status == -signal.SIGABRT
    assert "Guru Meditation: DEBUG PANIC called" in log
    status, log = crashed(new_server(use_exit_on_panic=True), "DEBUG", "ASSERT")
    assert status == 1
    assert log.count("=== ASSERTION FAILED ===") == 1


def test_not_allowed_unless_enabled(new_server):
    server = new_server(enable_debug_command="no")
    assert server.connect()("DEBUG", "SLEEP", 0).text.startswith("ERR DEBUG command not allowed.")


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("SADD k a b c", "SADD k c a b", "SADD k a b d"),
        ("HSET k a 1 b 2", "HSET k b 2 a 1", "HSET k a 2 b 1"),
        ("ZADD k 1 a 2 b", "ZADD k 2 b 1 a", "ZADD k 1 a 3 b"),
        ("RPUSH k a b", "RPUSH k a b", "RPUSH k b a"),
        ("XADD k 1-1 f v", "XADD k 1-1 f v", "XADD k 1-2 f v"),
    ],
)
def test_digest_of_types(raw, one, other, different):
    digests = []
    for words in (one, other, different):
        raw("DEL", "k")
        reply = raw(*words.split())
        assert not isinstance(reply, RespError)
        digests.append(str(raw("DEBUG", "DIGEST-VALUE", "k")[0]))
    assert digests[0] == digests[1] != digests[2]
