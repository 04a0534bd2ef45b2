"""RDB files: everything comes back, real servers read ours and we theirs, and no crash leaves a torn file."""

import signal
import struct
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

from server.persistence import check_rdb
from tests.persistence.dataset import ENCODINGS, contents, fill
from tests.support.resp import ConnectionClosed, RespError
from tests.support.server import Server, wait_until


def children(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.pid).children()


def bgsave_done(server: Server) -> bool:
    return server.info("persistence")["rdb_bgsave_in_progress"] == "0"


# ---- round trips
def test_a_restart_brings_everything_back(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    fill(c)
    before, digest = contents(c), c.ok("DEBUG", "DIGEST")
    c.ok("SAVE")
    server.kill()
    server.start()
    c = server.connect()
    assert contents(c) == before
    assert c.ok("DEBUG", "DIGEST") == digest
    assert {key: c.ok("OBJECT", "ENCODING", key) for key in ENCODINGS} == ENCODINGS
    server.wait_for_log("DB loaded from disk: ")


@pytest.mark.parametrize("version", [9, 10, 11])
@pytest.mark.parametrize("compression", ["yes", "no"])
def test_debug_reload_changes_nothing(server: Server, configure: Callable, version: int, compression: str) -> None:
    c = server.connect()
    fill(c)
    before = contents(c)
    configure("rdb-version", version)
    configure("rdbcompression", compression)
    c.ok("DEBUG", "RELOAD")
    assert contents(c) == before


def test_a_redis_7_0_reads_our_version_10_and_we_read_its_files(
    new_server: Callable[..., Server], new_peer: Callable
) -> None:
    server = new_server(rdb_version=10)
    c = server.connect()
    fill(c)
    before = contents(c)
    c.ok("SAVE")
    peer = new_peer(start=False)
    (peer.folder / "dump.rdb").write_bytes((server.folder / "dump.rdb").read_bytes())
    peer.start()
    theirs = peer.connect()
    assert contents(theirs) == before
    theirs.ok("SAVE")
    server.stop()
    (server.folder / "dump.rdb").write_bytes((peer.folder / "dump.rdb").read_bytes())
    server.start()
    assert contents(server.connect()) == before


@pytest.mark.parametrize("version", [9, 10])
def test_redis_check_rdb_accepts_ours(server: Server, configure: Callable, peer: object, version: int) -> None:
    c = server.connect()
    fill(c)
    configure("rdb-version", version)
    c.ok("SAVE")
    told = subprocess.run(["redis-check-rdb", str(server.folder / "dump.rdb")], capture_output=True, text=True)
    assert told.returncode == 0 and "RDB looks OK" in told.stdout, told.stdout


def test_a_file_larger_than_a_flushed_block(new_server: Callable[..., Server]) -> None:
    """Every kind of write meets the edge of a block sooner or later."""
    server = new_server(rdbcompression=False)
    c = server.connect()
    for start in range(0, 20000, 1000):
        c.pipeline([("SET", f"key:{i}", "v" * (i % 97)) for i in range(start, start + 1000)])
        c.pipeline([("RPUSH", f"l:{i}", i, "x" * (i % 70)) for i in range(start, start + 1000, 10)])
    digest = c.ok("DEBUG", "DIGEST")
    c.ok("DEBUG", "RELOAD")
    assert c.ok("DEBUG", "DIGEST") == digest


def test_access_of_the_past_is_kept(new_server: Callable[..., Server]) -> None:
    server = new_server(maxmemory_policy="allkeys-lfu", lfu_decay_time=0)
    c = server.connect()
    c.ok("SET", "k", "v")
    c.ok("RESTORE", "f", 0, c.ok("DUMP", "k"), "FREQ", 77)
    c.ok("DEBUG", "RELOAD")
    assert c.ok("OBJECT", "FREQ", "f") == 77
    c.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    c.ok("RESTORE", "i", 0, c.ok("DUMP", "k"), "IDLETIME", 5000)
    c.ok("DEBUG", "RELOAD")
    assert 5000 <= c.ok("OBJECT", "IDLETIME", "i") < 5100


def test_keys_whose_time_has_come_are_not_loaded(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    c.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    c.pipeline([("SET", "gone", 1, "PX", 1), ("SET", "stays", 1, "EX", 1000), ("SET", "plain", 1)])
    wait_until(lambda: time.time() * 1000 > c.ok("PEXPIRETIME", "stays") - 1000_000 + 2, "the key's time")
    c.ok("SAVE")
    server.kill()
    server.start()
    c = server.connect()
    assert sorted(c.ok("KEYS", "*")) == [b"plain", b"stays"]
    info = server.info("persistence")
    assert (info["rdb_last_load_keys_loaded"], info["rdb_last_load_keys_expired"]) == ("2", "1")


LIBRARY = b"#!lua name=lib\nredis.register_function('answer', function() return 42 end)"


def test_function_libraries_are_in_the_file(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    c.ok("FUNCTION", "LOAD", LIBRARY)
    c.ok("DEBUG", "RELOAD")
    assert c.ok("FCALL", "answer", 0) == 42
    c.ok("DEBUG", "RELOAD", "MERGE", "NOFLUSH")
    server.kill()
    server.start()
    c = server.connect()
    assert c.ok("FCALL", "answer", 0) == 42
    c.ok("CONFIG", "SET", "rdb-version", 9)
    c.ok("DEBUG", "RELOAD")
    assert c.ok("FUNCTION", "LIST") == []


# ---- what is in the file
def test_head_and_tail_of_a_file(server: Server) -> None:
    c = server.connect()
    c.ok("SET", "k", "v")
    c.ok("SAVE")
    data = (server.folder / "dump.rdb").read_bytes()
    assert data.startswith(b"REDIS0011\xfa\tredis-ver\x057.2.6\xfa\nredis-bits\xc0@\xfa\x05ctime\xc2")
    assert b"\xfa\x08aof-base\xc0\x00\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff" in data
    assert data[-9] == 0xFF and data[-8:] != bytes(8)


def test_a_damaged_file_is_refused(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    fill(c)
    c.ok("SAVE")
    server.stop()
    path = server.folder / "dump.rdb"
    whole = path.read_bytes()
    cases = {
        "Wrong signature": b"RADIS" + whole[5:],
        "Can't handle RDB format version 12": b"REDIS0012" + whole[9:],
        "Wrong RDB checksum": whole[:-1] + bytes([whole[-1] ^ 1]),
        "Short read": whole[:len(whole) // 2],
        "Short read or OOM": b"",
    }
    for text, data in cases.items():
        path.write_bytes(data)
        server.log_file.write_text("")
        server.start(wait=False)
        assert server.wait_exit() == 1
        assert text in server.log() and "Fatal error loading the DB, check server logs. Exiting." in server.log()
        damaged = "checksum" in text or "Short read" in text
        assert ("--- RDB ERROR DETECTED ---" in server.log()) is damaged
        assert server.log().count("Terminating server after rdb file reading failure.") == damaged
        assert path.read_bytes() == data


def test_seconds_as_the_first_versions_wrote_them(new_server: Callable[..., Server]) -> None:
    """Version 1: no AUX, no checksum, times in seconds, a zipmap."""
    server = new_server(start=False)
    (server.folder / "dump.rdb").write_bytes(
        b"REDIS0001\xfe\x00\xfd" + struct.pack("<i", 2_000_000_000) + b"\x00\x01k\x01v"
        + b"\x09\x01h\x07\x01\x01f\x01\x00v\xff\xff"
    )
    server.start()
    c = server.connect()
    assert (c.ok("GET", "k"), c.ok("EXPIRETIME", "k"), c.ok("HGETALL", "h")) == (b"v", 2_000_000_000, [b"f", b"v"])


def test_keys_without_elements_are_skipped(new_server: Callable[..., Server]) -> None:
    """Nobody writes them today; old servers did, by mistake."""
    server = new_server(start=False)
    (server.folder / "dump.rdb").write_bytes(
        b"REDIS0004\xfe\x00\x02\x05empty\x00\x04\x04void\x00\x00\x01k\x01v\xff"
    )
    server.start()
    assert server.connect().ok("KEYS", "*") == [b"k"]
    server.wait_for_log("rdbLoadObject skipping empty key: empty")
    server.wait_for_log("keys loaded: 1, keys expired: 0, empty keys skipped: 2")


# ---- remus-check-rdb
def test_the_check_tool(new_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]) -> None:
    server = new_server()
    c = server.connect()
    fill(c)
    c.ok("SAVE")
    path = server.folder / "dump.rdb"
    whole = path.read_bytes()
    assert check_rdb.main([str(path)]) == 0
    told = capsys.readouterr().out
    assert "RDB looks OK" in told and "Selecting DB ID 9" in told and "Checksum OK" in told
    assert f"[info] {c.ok('DBSIZE') + 2} keys read\n[info] 2 expires\n[info] 0 already expired\n" in told
    for data, text in {
        whole[:-30]: "Unexpected EOF reading RDB file", b"": "Unexpected EOF", b"X" + whole[1:]: "Wrong signature",
        whole[:-1] + bytes([whole[-1] ^ 1]): "RDB CRC error", b"REDIS0099" + whole[9:]: "RDB format version 99",
        whole[:9] + b"\x0e\x01k\x01\x03abc": "Reading type 14 (quicklist)",
    }.items():
        path.write_bytes(data)
        assert check_rdb.main([str(path)]) == 1
        told = capsys.readouterr().out
        assert "--- RDB ERROR DETECTED ---" in told and text in told


# ---- background saving
def test_bgsave_is_one_child_and_tells_how_far_it_is(new_server: Callable[..., Server]) -> None:
    server = new_server(rdb_key_save_delay=1000)
    c = server.connect()
    c.ok("DEBUG", "POPULATE", 100000)
    assert c("BGSAVE") == "Background saving started"
    assert len(children(server)) == 1
    info = server.info("everything")
    assert info["rdb_bgsave_in_progress"] == "1" and info["current_save_keys_total"] == "100000"
    assert int(info["total_forks"]) == 1 and int(info["latest_fork_usec"]) > 0
    assert c("BGSAVE") == c("SAVE") == RespError("ERR Background save already in progress")
    wait_until(lambda: int(server.info("persistence")["current_save_keys_processed"]) > 0, "progress")
    [child] = children(server)
    assert (server.folder / f"temp-{child.pid}.rdb").exists()
    child.send_signal(signal.SIGKILL)
    wait_until(lambda: bgsave_done(server), "the end of the child")
    assert server.info("persistence")["rdb_last_bgsave_status"] == "err"
    assert not list(server.folder.glob("temp-*.rdb")) and not (server.folder / "dump.rdb").exists()


def test_changes_during_bgsave_count_for_the_next(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    c.ok("SET", "a", 1)
    c.ok("CONFIG", "SET", "rdb-key-save-delay", 100000)
    c.ok("BGSAVE")
    c.pipeline([("SET", "b", 1), ("SET", "c", 1)])
    wait_until(lambda: bgsave_done(server), "the end of BGSAVE")
    info = server.info("persistence")
    assert info["rdb_changes_since_last_save"] == "2" and info["rdb_last_bgsave_status"] == "ok"
    assert int(info["rdb_last_cow_size"]) > 0
    server.kill()
    server.start()
    assert server.connect().ok("KEYS", "*") == [b"a"]


def test_kill_9_of_the_server_during_bgsave_leaves_the_old_file(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    c.ok("SET", "old", 1)
    c.ok("SAVE")
    before = (server.folder / "dump.rdb").read_bytes()
    c.ok("DEBUG", "POPULATE", 20000)
    c.ok("CONFIG", "SET", "rdb-key-save-delay", 1000)
    c.ok("BGSAVE")
    [child] = children(server)
    server.kill()
    child.kill()
    assert (server.folder / "dump.rdb").read_bytes() == before
    server.start()
    assert server.connect().ok("KEYS", "*") == [b"old"]


def test_the_child_ends_when_the_server_is_gone(new_server: Callable[..., Server]) -> None:
    server = new_server(rdb_key_save_delay=1000)
    server.connect().ok("DEBUG", "POPULATE", 100000)
    server.connect().ok("BGSAVE")
    [child] = children(server)
    server.kill()
    assert wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "its end")


def test_flushall_ends_bgsave(new_server: Callable[..., Server]) -> None:
    server = new_server(rdb_key_save_delay=1000)
    c = server.connect()
    c.ok("DEBUG", "POPULATE", 20000)
    c.ok("BGSAVE")
    c.ok("FLUSHALL")
    assert not children(server)
    info = server.info("persistence")
    assert info["rdb_bgsave_in_progress"] == "0" and info["rdb_last_bgsave_status"] == "ok"


def test_bgsave_in_a_transaction_is_scheduled(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    c.pipeline([("MULTI",), ("SET", "k", 1), ("BGSAVE",)])
    assert c.ok("EXEC") == ["OK", "Background saving scheduled"]
    wait_until(lambda: (server.folder / "dump.rdb").exists(), "the snapshot")
    assert c("BGSAVE", "LATER") == RespError("ERR syntax error")


def test_with_io_threads(new_server: Callable[..., Server]) -> None:
    server = new_server(io_threads=3)
    c = server.connect()
    fill(c)
    before = contents(c)
    for _ in range(3):
        c.ok("BGSAVE")
        wait_until(lambda: bgsave_done(server), "the end of BGSAVE")
    assert server.info("persistence")["rdb_last_bgsave_status"] == "ok"
    server.kill()
    server.start()
    assert contents(server.connect()) == before


# ---- by itself, and at the end
def test_a_save_point_saves(new_server: Callable[..., Server]) -> None:
    server = new_server(save="1 2")
    c = server.connect()
    c.pipeline([("SET", "a", 1), ("SET", "b", 1)])
    server.wait_for_log("2 changes in 1 seconds. Saving...")
    server.wait_for_log("Background saving terminated with success")
    assert c.ok("LASTSAVE") == int(server.info("persistence")["rdb_last_save_time"])


@pytest.mark.parametrize(
    ("points", "how", "saved"),
    [("900 1", "SIGTERM", True), ("", "SIGTERM", False), ("900 1", "NOSAVE", False), ("", "SAVE", True)],
)
def test_saving_at_the_end(new_server: Callable[..., Server], points: str, how: str, saved: bool) -> None:
    server = new_server(save=points)
    c = server.connect()
    c.ok("SET", "k", "v")
    if how == "SIGTERM":
        assert server.stop() == 0
    else:
        c.send("SHUTDOWN", how)
        assert server.wait_exit() == 0
    assert (server.folder / "dump.rdb").exists() is saved


def test_writes_are_refused_while_snapshots_fail(new_server: Callable[..., Server]) -> None:
    server = new_server(save="3600 1000", dbfilename="folder")
    (server.folder / "folder").mkdir()
    c = server.connect()
    c.ok("SET", "k", 1)
    c.ok("BGSAVE")
    wait_until(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err", "failure")
    assert c("SET", "k", 2).code == c("LPUSH", "l", 1).code == "MISCONF"
    assert c("PING").code == "MISCONF"
    assert c.ok("GET", "k") == b"1"
    c.ok("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    c.ok("SET", "k", 3)
    c.ok("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert c("SET", "k", 4).code == "MISCONF"
    (server.folder / "folder").rmdir()
    c.ok("BGSAVE")
    wait_until(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "ok", "success")
    c.ok("SET", "k", 5)
    assert not list(server.folder.glob("temp-*"))


# ---- while loading
def test_clients_are_told_while_it_loads(new_server: Callable[..., Server]) -> None:
    server = new_server(loading_process_events_interval_bytes=1024)
    c = server.connect()
    c.ok("DEBUG", "POPULATE", 3000, "key", 100)
    c.ok("SAVE")
    server.kill()
    server.directives["key-load-delay"] = 500
    server.start(wait=False)
    server.wait_for_log("Loading RDB produced by version")
    c = server.connect()
    assert c("GET", "key:1") == RespError("LOADING Redis is loading the dataset in memory")
    info = server.info("persistence")
    assert info["loading"] == "1" and int(info["loading_total_bytes"]) > int(info["loading_loaded_bytes"])
    assert "loading_eta_seconds" in info
    server.wait_ready()
    assert server.connect().ok("DBSIZE") == 3000


def test_who_connects_at_the_moment_of_a_reload_is_served(new_server: Callable[..., Server]) -> None:
    """The loop hears of both in one turn, and the command asks for what comes before it is over."""
    server = new_server(loading_process_events_interval_bytes=1024)
    c = server.connect()
    c.ok("DEBUG", "POPULATE", 1000, "key", 100)
    server.signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(server.pid).status() == "stopped", "a stopped server")
    c.send("DEBUG", "RELOAD")
    others = [server.connect() for _ in range(3)]
    for other in others:
        other.send("PING")
    server.signal(signal.SIGCONT)
    assert c.read() == "OK"
    for other in others:
        assert other.read() in ("PONG", RespError("LOADING Redis is loading the dataset in memory"))
        assert other.ok("PING") == "PONG"
    assert "Error accepting" not in server.log()


@pytest.mark.parametrize("at_the_end", ["UNPAUSE", "PAUSE"])
def test_a_pause_that_begins_or_ends_during_a_reload(new_server: Callable[..., Server], at_the_end: str) -> None:
    """Loading and pausing keep expired keys each for itself: neither ends, or prolongs, what the other wants."""
    server = new_server(loading_process_events_interval_bytes=1024)
    c, other = server.connect(), server.connect()
    c.ok("DEBUG", "POPULATE", 1000, "key", 100)
    c.ok("CONFIG", "SET", "key-load-delay", 500)
    if at_the_end == "UNPAUSE":
        c.ok("CLIENT", "PAUSE", 100_000, "WRITE")
    c.send("DEBUG", "RELOAD")
    wait_until(lambda: server.info("persistence")["loading"] == "1", "loading")
    assert other("CLIENT", at_the_end, *([100_000, "WRITE"] if at_the_end == "PAUSE" else [])) == "OK"
    assert server.info("persistence")["loading"] == "1"
    assert c.read() == "OK"
    if at_the_end == "PAUSE":
        c.send("SET", "k", "v", "PX", 1)
        assert c.nothing_comes()
        assert other.ok("CLIENT", "UNPAUSE") == "OK"
        assert c.read() == "OK"
    else:
        c.ok("SET", "k", "v", "PX", 1)
    wait_until(lambda: c.ok("DBSIZE") == 1000, "the key to be deleted by the cron")


def test_fields_that_hold_no_number(new_server: Callable[..., Server]) -> None:
    """Read as C does: what digits there are, 64 bits at most."""
    server = new_server(start=False)
    fields = [(b"ctime", b"--5"), (b"ctime", b"9" * 60), (b"used-mem", b"9" * 60), (b"used-mem", b"\xb2"),
              (b"aof-base", b"--1"), (b"aof-preamble", b""), (b"used-mem", b" +2097152 and more")]  # fmt: skip
    (server.folder / "dump.rdb").write_bytes(b"REDIS0011" + b"".join(
        b"\xfa%c%s%c%s" % (len(name), name, len(value), value) for name, value in fields) + b"\xff" + bytes(8))
    server.start()
    told = [line for line in server.log().splitlines() if "RDB memory usage when created" in line]
    assert told[0].endswith(" 8796093022208.00 Mb") and told[1].endswith(" 0.00 Mb") and told[2].endswith(" 2.00 Mb")
    assert server.info("persistence")["loading"] == "0"


def test_who_insists_on_the_end_of_a_server_that_saves(new_server: Callable[..., Server]) -> None:
    """SIGINT twice: at once, and the unfinished file goes."""
    server = new_server(save="900 1", rdb_key_save_delay=10_000_000)
    server.connect().pipeline([("SET", number, "v") for number in range(20)])
    unfinished = server.folder / f"temp-{server.pid}.rdb"
    server.signal(signal.SIGINT)
    wait_until(unfinished.exists, "the last snapshot")
    server.signal(signal.SIGINT)
    assert server.wait_exit() == 1
    assert not unfinished.exists() and not (server.folder / "dump.rdb").exists()
    assert "You insist... exiting now." in server.log()


def test_nobody_listens_once_clients_see_the_end(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    c.send("SHUTDOWN", "NOSAVE")
    with pytest.raises((ConnectionClosed, ConnectionError)):
        c.read()
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_told_to_end_while_it_loads(new_server: Callable[..., Server]) -> None:
    server = new_server(loading_process_events_interval_bytes=1024, save="1 1")
    c = server.connect()
    c.ok("DEBUG", "POPULATE", 3000, "key", 100)
    c.ok("SAVE")
    server.kill()
    before = (server.folder / "dump.rdb").read_bytes()
    server.directives["key-load-delay"] = 2000
    server.log_file.write_text("")
    server.start(wait=False)
    server.wait_for_log("Loading RDB produced by version")
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert (server.folder / "dump.rdb").read_bytes() == before


