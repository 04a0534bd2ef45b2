"""The append only file of a server process: restarts, rewrites, switching, damage, files exchanged with Redis."""

import io
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.persistence.aof_reader import AofReader, BadFormat, Torn
from tests.persistence.dataset import ENCODINGS, contents, fill
from tests.support.resp import Connection, ConnectionClosed, NullArray, RespError
from tests.support.server import ROOT, Process, Server, wait_until

FOLDER = "appendonlydir"
INCR = "appendonly.aof.1.incr.aof"
MANIFEST = "appendonly.aof.manifest"


def command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)


def manifest(server: Process) -> list[str]:
    return (server.folder / FOLDER / MANIFEST).read_text().splitlines()


def incr_file(server: Process) -> Path:
    return server.folder / FOLDER / manifest(server)[-1].split()[1]


def rewrite(server: Process) -> None:
    """BGREWRITEAOF, to its end."""
    with Connection(server.port) as c:
        c.ok("BGREWRITEAOF")
    wait_until(lambda: idle(server), "the rewrite")
    assert server.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def idle(server: Process) -> bool:
    info = server.info("persistence")
    return info["aof_rewrite_in_progress"] == info["aof_rewrite_scheduled"] == "0"


def folder_with(server: Process, name: str, content: bytes, line: str = "") -> None:
    """A folder that holds one file, before the server's first start."""
    folder = server.folder / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    (folder / MANIFEST).write_text(line or f"file {name} seq 1 type i\n")


def check_tool(server: Process, *words: str) -> subprocess.CompletedProcess[str]:
    path = str(server.folder / FOLDER / MANIFEST)
    return subprocess.run([sys.executable, "-m", "server.persistence.check_aof", *words, path], cwd=ROOT, text=True,
                          capture_output=True, input="y\n")


# ---- round trips
@pytest.mark.parametrize("base", ["yes", "no"])
def test_kill_9_loses_nothing_with_and_without_a_base(new_server: Callable[..., Server], base: str) -> None:
    server = new_server(appendonly=True, appendfsync="always", aof_use_rdb_preamble=base)
    c = server.connect()
    fill(c)
    rewrite(server)
    c.ok("SET", "after", "the rewrite")
    c.ok("SELECT", 9)
    c.ok("SET", "after", "in another database")
    before, digest = contents(server.connect()), c.ok("DEBUG", "DIGEST")
    assert len(manifest(server)) == 2 and manifest(server)[0].split()[1].endswith(".rdb" if base == "yes" else ".aof")
    server.kill()
    server.start()
    c = server.connect()
    assert contents(c) == before
    assert c.ok("DEBUG", "DIGEST") == digest
    assert {key: c.ok("OBJECT", "ENCODING", key) for key in ENCODINGS} == ENCODINGS
    c.ok("DEBUG", "LOADAOF")
    assert c.ok("DEBUG", "DIGEST") == digest
    assert check_tool(server).stdout.endswith("All AOF files and manifest are valid\n")


@pytest.mark.parametrize("base", ["yes", "no"])
def test_loadaof_forgets_functions_and_tells_who_watches(new_server: Callable[..., Server], base: str) -> None:
    server = new_server(appendonly=True, aof_use_rdb_preamble=base)
    c = server.connect()
    c.ok("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
    c.ok("SET", "k", "v")
    rewrite(server)
    c.ok("WATCH", "k")
    c.ok("DEBUG", "LOADAOF")
    assert c.pipeline([("MULTI",), ("PING",), ("EXEC",)])[-1] is NullArray
    assert c.ok("FCALL", "f", 0) == 1
    assert c.ok("GET", "k") == b"v"


def test_a_string_that_only_grew_is_in_the_file(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, appendfsync="always")
    c = server.connect()
    assert c.ok("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "i8", 7, 1234567) == [None]
    assert c.ok("GET", "k") == b"\0\0"
    c.ok("DEBUG", "LOADAOF")
    assert c.ok("GET", "k") == b"\0\0"


def test_only_the_commands_without_a_rewrite(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, appendfsync="always")      # everysec waits for a slow fsync
    c = server.connect()
    fill(c)
    c.pipeline([("MULTI",), ("INCR", "n"), ("LPUSH", "q", "x"), ("EXEC",), ("SPOP", "set:small"),
                ("SET", "volatile", "x", "PX", 20)])
    digest = wait_until(lambda: not c.ok("EXISTS", "volatile") and c.ok("DEBUG", "DIGEST"))
    server.kill()
    server.start()
    assert server.connect().ok("DEBUG", "DIGEST") == digest


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_acknowledged_writes_survive_kill_9_under_load(new_server: Callable[..., Server], policy: str) -> None:
    server = new_server(appendonly=True, appendfsync=policy, auto_aof_rewrite_min_size="1kb")
    seen = [0] * 4
    earlier = [(time.monotonic(), list(seen))]      # what was acknowledged, and when

    def write(number: int) -> None:
        with Connection(server.port) as c:
            try:
                while True:
                    seen[number] = c.ok("INCR", f"counter:{number}")
                    c.ok("SET", f"filler:{number}:{seen[number] % 50}", "x" * 100)
            except (ConnectionClosed, ConnectionError):
                pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(seen))]
    for thread in threads:
        thread.start()

    def enough() -> bool:
        earlier.append((time.monotonic(), list(seen)))
        return min(seen) > 200

    wait_until(enough, seconds=20)
    server.kill()
    killed = time.monotonic()
    for thread in threads:
        thread.join()
    # everysec: while a sync is slow, the next write waits for it, whole seconds, at most 2. The others never wait.
    sure = seen if policy != "everysec" else [was for when, was in earlier if when <= killed - 3 or not any(was)][-1]
    server.start()
    c = server.connect()
    for number, acknowledged in enumerate(seen):
        assert sure[number] <= int(c.ok("GET", f"counter:{number}") or 0) <= acknowledged + 1


def test_expired_keys_come_back_until_their_del(new_server: Callable[..., Server]) -> None:
    """INCR of a key that was alive then, and is not any more, does not make a new one."""
    server = new_server(appendonly=True, start=False)
    folder_with(server, INCR, command("SELECT", "0") + command("SET", "k", "5") + command("PEXPIREAT", "k", "1000")
                + command("INCR", "k") + command("RENAME", "k", "k2") + command("PERSIST", "k2"))
    server.start()
    assert server.connect().ok("GET", "k2") == b"6"


# ---- disks with errors
FAILING_DISK = """
import errno, os
def failing(call, name):
    def run(*arguments):
        if os.path.exists(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return call(*arguments)
    return run
os.fdatasync = failing(os.fdatasync, "sync-fails")
os.writev = failing(os.writev, "write-fails")
"""


@pytest.mark.parametrize("what", ["sync", "write"])
def test_one_error_under_everysec_heals(new_server: Callable[..., Server], what: str) -> None:
    server = new_server(appendonly=True, appendfsync="everysec", prelude=FAILING_DISK)
    c = server.connect()
    c.ok("SET", "k", 0)
    (server.folder / f"{what}-fails").touch()
    refusal = RespError("MISCONF Errors writing to the AOF file: Input/output error")
    wait_until(lambda: c("INCR", "k") == refusal, "a refusal")
    assert c("PING") == refusal and c.ok("GET", "k")
    assert server.info("persistence")["aof_last_write_status"] == "err"
    (server.folder / f"{what}-fails").unlink()
    wait_until(lambda: c("PING") == "PONG", "a disk that is well")
    before = c.ok("INCR", "k")
    assert server.info("persistence")["aof_last_write_status"] == "ok"
    error = {"sync": "Fail to fsync the AOF file: Input/output error",
             "write": "Error writing to the AOF file: Input/output error"}[what]
    assert error in server.log() and "looks solved, Redis can write again." in server.log()
    server.restart()
    assert server.connect().ok("GET", "k") == b"%d" % before


@pytest.mark.parametrize("what", ["sync", "write"])
def test_an_error_under_always_ends_the_server(new_server: Callable[..., Server], what: str) -> None:
    """Nobody is told that the write was done."""
    server = new_server(appendonly=True, appendfsync="always", prelude=FAILING_DISK)
    c = server.connect()
    (server.folder / f"{what}-fails").touch()
    c.send("SET", "k", 1)
    with pytest.raises((ConnectionClosed, ConnectionError)):
        c.read()
    assert server.wait_exit() == 1
    assert "Exiting..." in server.log().splitlines()[-1]


# ---- switching
def test_on_and_off_while_running(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    c.ok("SET", "before", 1)
    c.ok("CONFIG", "SET", "appendonly", "yes")
    c.ok("SET", "during", 2)
    wait_until(lambda: idle(server))
    c.ok("SET", "after", 3)
    c.ok("CONFIG", "SET", "appendonly", "no")
    c.ok("SET", "lost", 4)
    assert server.info("persistence")["aof_enabled"] == "0"
    server.kill()
    server.restart(appendonly=True)
    assert set(server.connect().ok("KEYS", "*")) == {b"before", b"during", b"after"}


def test_on_in_a_transaction_is_scheduled(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    replies = c.pipeline([("MULTI",), ("SET", "k", 1), ("CONFIG", "SET", "appendonly", "yes"), ("SET", "l", 2),
                          ("BGREWRITEAOF",), ("EXEC",)])
    assert replies[-1][-1] == "Background append only file rewriting scheduled"
    wait_until(lambda: idle(server))
    server.kill()
    server.restart(appendonly=True)
    assert set(server.connect().ok("KEYS", "*")) == {b"k", b"l"}


def test_no_shutdown_while_the_first_base_is_written(new_server: Callable[..., Server]) -> None:
    server = new_server(rdb_key_save_delay=100000, enable_debug_command="yes")
    c = server.connect()
    c.pipeline([("SET", f"k{i}", i) for i in range(100)])
    c.ok("CONFIG", "SET", "appendonly", "yes")
    assert c("SHUTDOWN") == RespError("ERR Errors trying to SHUTDOWN. Check logs.")
    server.wait_for_log("Writing initial AOF, can't exit")
    c.send("SHUTDOWN", "NOW", "FORCE")
    assert server.wait_exit() == 0


# ---- rewriting
def test_what_is_written_during_a_rewrite_is_kept(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, rdb_key_save_delay=2000)
    c = server.connect()
    c.pipeline([("SET", f"k{i}", i) for i in range(100)])
    assert c.ok("BGREWRITEAOF") == "Background append only file rewriting started"
    assert c("BGREWRITEAOF") == RespError("ERR Background append only file rewriting already in progress")
    c.ok("SET", "k1", "changed")
    c.ok("SET", "new", 1)
    assert [line.split()[1] for line in manifest(server)] == [
        "appendonly.aof.1.base.rdb", INCR, "appendonly.aof.2.incr.aof"]
    wait_until(lambda: idle(server))
    assert manifest(server) == ["file appendonly.aof.2.base.rdb seq 2 type b",
                                "file appendonly.aof.2.incr.aof seq 2 type i"]
    server.kill()
    server.start()
    assert server.connect().pipeline([("GET", "k1"), ("GET", "new"), ("DBSIZE",)]) == [b"changed", b"1", 101]


def test_the_file_is_rewritten_when_it_has_grown(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, auto_aof_rewrite_percentage=50, auto_aof_rewrite_min_size="2kb")
    c = server.connect()
    c.pipeline([("SET", "k", "x" * 100) for _ in range(100)])
    server.wait_for_log("Starting automatic rewriting of AOF on ")
    wait_until(lambda: idle(server))
    info = server.info("persistence")
    assert int(info["aof_rewrites"]) >= 1 and int(info["aof_current_size"]) < 2048


def test_timestamps(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, aof_timestamp_enabled=True, aof_use_rdb_preamble=False)
    server.connect().ok("SET", "k", 1)
    assert incr_file(server).read_bytes().startswith(b"#TS:1")
    rewrite(server)
    assert (server.folder / FOLDER / manifest(server)[0].split()[1]).read_bytes().startswith(b"#TS:1")
    server.kill()
    server.start()
    assert server.connect().ok("GET", "k") == b"1"


# ---- damage
def test_a_torn_end_is_cut(new_server: Callable[..., Server]) -> None:
    whole = command("SET", "a", "1") + command("SET", "b", "2")
    server = new_server(appendonly=True, start=False)
    for torn in (command("SET", "c", "3")[:-1], b"\0" * 4096, command("SET", "c", "33333")[:-4] + b"\0" * 100,
                 command("MULTI") + command("SET", "c", "3"), command("MULTI") + command("SET", "c", "3")[:9]):
        folder_with(server, INCR, whole + torn)
        server.start()
        assert sorted(server.connect().ok("KEYS", "*")) == [b"a", b"b"]
        assert f"Truncating the AOF {INCR} at offset {len(whole)}" in server.log()
        server.kill()
        assert (server.folder / FOLDER / INCR).read_bytes() == whole


ABSURD = (b"*1\r\n$99999999999\r\n", b"*2147483647\r\n", b"*2147483647\r\n$3\r\nSET\r\n", b"*99999999999\r\n",
          b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$99999999999\r\nvvv", b"*1\r\n$" + b"9" * 30 + b"\r\nSET")


@pytest.mark.parametrize("end", ABSURD)
def test_the_reader_finds_an_end_that_promises_too_much(end: bytes) -> None:
    """Nobody makes room for what it promises."""
    whole = command("SET", "a", "1")
    reader = AofReader(io.BytesIO(whole + end))
    assert reader.next() == [b"SET", b"a", b"1"]
    with pytest.raises(Torn):
        reader.next()
    assert reader.offset == len(whole)


@pytest.mark.parametrize("end", [b"*0\r\n", b"*-1\r\n", b"*\r\n", b"*x\r\n", b"*2147483648\r\n",
                                 b"*" + b"9" * 30 + b"\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$x\r\n",
                                 b"*1\r\n$4\r\nPINGxx", b"*1\r\n\0\0\0\0x"])
def test_the_reader_finds_what_is_no_command(end: bytes) -> None:
    reader = AofReader(io.BytesIO(end))
    with pytest.raises(BadFormat):
        reader.next()


def test_the_reader_joins_what_is_longer_than_its_pieces() -> None:
    words = ["SET", "k", "v" * (5 << 20)]
    reader = AofReader(io.BytesIO(command(*words) * 2))
    assert [reader.next(), reader.next(), reader.next()] == [[word.encode() for word in words]] * 2 + [None]


@pytest.mark.parametrize(("name", "torn"), [(INCR, ABSURD[0]), (INCR, ABSURD[1]), ("appendonly.aof", ABSURD[0])])
def test_an_end_that_promises_more_than_any_file_has_is_torn(
        new_server: Callable[..., Server], name: str, torn: bytes) -> None:
    """A single old-style file likewise."""
    whole = command("SET", "a", "1") + command("SET", "b", "2")
    server = new_server(appendonly=True, start=False)
    path = server.folder / (name if name != INCR else f"{FOLDER}/{INCR}")
    if name == INCR:
        folder_with(server, INCR, b"")
    path.write_bytes(whole + torn)
    check = [sys.executable, "-m", "server.persistence.check_aof", str(path)]
    checked = subprocess.run(check, cwd=ROOT, text=True, capture_output=True)
    assert checked.returncode == 1 and f"ok_up_to={len(whole)}" in checked.stdout and not checked.stderr
    server.start()
    assert sorted(server.connect().ok("KEYS", "*")) == [b"a", b"b"]
    assert f"Truncating the AOF {name} at offset {len(whole)}" in server.log()
    server.kill()
    assert (server.folder / FOLDER / name).read_bytes() == whole


def test_no_command_in_the_file_loads_it_again(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, start=False)
    folder_with(server, INCR, command("SET", "a", "1") + command("DEBUG", "LOADAOF") + command("INCR", "a"))
    server.start()
    assert server.connect().ok("GET", "a") == b"2"
    assert "'LOADING Redis is loading the dataset in memory' after processing the command 'debug'" in server.log()


@pytest.mark.parametrize("tail", [*ABSURD[:2], b"*1\r\n$3\r\nSE"])
def test_a_torn_end_stops_the_server_that_shall_not_cut(new_server: Callable[..., Server], tail: bytes) -> None:
    server = new_server(appendonly=True, aof_load_truncated=False, start=False)
    folder_with(server, INCR, command("SET", "a", "1") + tail)
    Process.start(server, wait=False)
    assert server.wait_exit() == 1
    assert "Unexpected end of file reading the append only file" in server.log().splitlines()[-1]


@pytest.mark.parametrize("name", ["appendonlydir", f"{FOLDER}/{MANIFEST}", f"{FOLDER}/{INCR}", "dump.rdb"])
@pytest.mark.parametrize("instead", ["folder", "loop", "file"])
def test_something_else_in_place_of_a_file(new_server: Callable[..., Server], name: str, instead: str) -> None:
    """It is said in words, and the server ends; where nothing of the name can be there is nothing to load."""
    server = new_server(appendonly=name != "dump.rdb", start=False)
    folder_with(server, INCR, command("SET", "a", "1"))
    path = server.folder / name
    if path.exists():
        (shutil.rmtree if path.is_dir() else os.remove)(path)
    if instead == "folder":
        path.mkdir()
    elif instead == "loop":
        path.symlink_to(path)
    else:
        path.write_bytes(b"neither one nor the other")
    Process.start(server, wait=False)
    starts = (name, instead) in ((FOLDER, "folder"), (f"{FOLDER}/{MANIFEST}", "loop"))
    if starts:
        server.wait_ready()
    else:
        assert server.wait_exit() == 1
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(("content", "options", "last_line"), [
    (command("SET", "a", "1")[:-1], {"aof_load_truncated": False}, "Unexpected end of file reading the append only"),
    (command("SET", "a", "1") + b"!!!", {}, "Bad file format reading the append only file"),
    (command("SET", "a", "1") + b"\0\0\0" + command("SET", "a", "2"), {}, "Bad file format reading the append only"),
    (command("bla", "a"), {}, "Unknown command 'bla' reading the append only file"),
])
def test_other_damage_stops_the_server_and_says_so_last(
    new_server: Callable[..., Server], content: bytes, options: dict[str, Any], last_line: str
) -> None:
    server = new_server(appendonly=True, start=False, **options)
    folder_with(server, INCR, content)
    Process.start(server, wait=False)
    assert server.wait_exit() == 1
    assert last_line in server.log().splitlines()[-1]


@pytest.mark.parametrize(("text", "reason"), [
    ("", "Found an empty AOF manifest"),
    ("file a seq 1 type i", "The AOF manifest file contains too long line"),
    ("\n", "Invalid AOF manifest file format"),
    ("file ../a seq 1 type i\n", "File can't be a path, just a filename"),
    ("file a seq 2 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"),
    ("file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
    ("file a seq 1 type x\n", "Unknown AOF file type"),
    ('file "a\\x00b" seq 1 type i\n', "A file name can't contain a null character"),
    ('file "a\\x00b" seq 1 type h\nfile c seq 1 type i\n', "A file name can't contain a null character"),
    (f"file {'a' * 300} seq 1 type i\n", "length. stat: File name too long"),
])
def test_a_manifest_that_is_none_stops_the_server(new_server: Callable[..., Server], text: str, reason: str) -> None:
    server = new_server(appendonly=True, start=False)
    folder_with(server, INCR, b"", "#")
    (server.folder / FOLDER / MANIFEST).write_text(text)
    Process.start(server, wait=False)
    assert server.wait_exit() == 1
    assert reason in server.log() and "Traceback" not in server.log()
    checked = check_tool(server)
    assert checked.returncode == bool(text) and "Traceback" not in checked.stderr      # of nothing: it is empty


def test_an_old_single_file_moves_into_the_folder(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True, start=False)
    (server.folder / "appendonly.aof").write_bytes(command("SET", "old", "1"))
    server.start()
    assert server.connect().ok("GET", "old") == b"1"
    assert manifest(server) == ["file appendonly.aof seq 1 type b", f"file {INCR} seq 1 type i"]
    assert not (server.folder / "appendonly.aof").exists()
    server.wait_for_log("Successfully migrated an old-style AOF file (appendonly.aof) into the AOF directory")


def test_a_file_that_cannot_grow_refuses_writes_and_heals(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly=True)
    c = server.connect()
    c.ok("SET", "k", 1)
    size = incr_file(server).stat().st_size
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size + 5, resource.RLIM_INFINITY))
    c("SET", "k", 2)                                # in memory, and acknowledged: everysec
    refused = RespError("MISCONF Errors writing to the AOF file: " + os.strerror(28))     # a short write
    wait_until(lambda: c("SET", "k", 2) == refused)     # the first ones may wait for a sync
    assert c("PING") == refused
    assert c("LPUSH", "other", 1) == refused
    assert c.ok("GET", "k") == b"2"
    assert server.info("persistence")["aof_last_write_status"] == "err"
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: c("SET", "k", 4) == "OK")
    wait_until(lambda: server.info("persistence")["aof_buffer_length"] == "0", "the write, which waits for a sync")
    server.kill()
    server.start()
    assert server.connect().ok("GET", "k") == b"4"


# ---- with Redis
@pytest.mark.parametrize("base", ["yes", "no"])
def test_redis_7_0_reads_our_files(
    new_server: Callable[..., Server], new_peer: Callable[..., Process], base: str
) -> None:
    server = new_server(appendonly=True, rdb_version=10, aof_use_rdb_preamble=base)
    c = server.connect()
    fill(c)
    rewrite(server)
    c.pipeline([("MULTI",), ("INCR", "n"), ("RPUSH", "list:small", "later"), ("EXEC",)])
    before = contents(c)
    server.stop()
    tool = shutil.which("redis-check-aof")
    if tool:
        checked = subprocess.run([tool, str(server.folder / FOLDER / MANIFEST)], capture_output=True, text=True)
        assert checked.returncode == 0 and "All AOF files and manifest are valid" in checked.stdout, checked.stdout
    peer = new_peer(start=False)
    shutil.copytree(server.folder / FOLDER, peer.folder / FOLDER)
    peer.directives["appendonly"] = "yes"
    peer.start()
    assert contents(peer.connect()) == before


@pytest.mark.parametrize("base", ["yes", "no"])
def test_we_read_the_files_of_redis_7_0(
    new_server: Callable[..., Server], new_peer: Callable[..., Process], base: str
) -> None:
    peer = new_peer(appendonly="yes", **{"aof-use-rdb-preamble": base})
    c = peer.connect()
    fill(c)
    rewrite(peer)
    c.pipeline([("MULTI",), ("INCR", "n"), ("RPUSH", "list:small", "later"), ("EXEC",), ("SPOP", "set:large", 5)])
    before = contents(c)
    peer.stop()
    server = new_server(start=False, appendonly=True)
    shutil.copytree(peer.folder / FOLDER, server.folder / FOLDER)
    server.start()
    assert contents(server.connect()) == before


# ---- the tool
def test_the_tool_finds_and_repairs_a_torn_end(new_server: Callable[..., Server]) -> None:
    server = new_server(start=False)
    whole = command("SET", "a", "1")
    folder_with(server, INCR, whole + command("SET", "b", "2")[:-3])
    found = check_tool(server)
    assert found.returncode == 1
    assert f"AOF {INCR} is not valid. Use the --fix option to try fixing it." in found.stdout
    assert f"ok_up_to={len(whole)}" in found.stdout and "Expected to read 3 bytes, got 0 bytes" in found.stdout
    assert f"Successfully truncated AOF {INCR}" in check_tool(server, "--fix").stdout
    assert (server.folder / FOLDER / INCR).read_bytes() == whole


def test_the_tool_goes_back_in_time(new_server: Callable[..., Server]) -> None:
    server = new_server(start=False)
    first = b"#TS:1000\r\n" + command("SET", "a", "1")
    folder_with(server, INCR, first + b"#TS:2000\r\n" + command("SET", "b", "#TS:3000\r\n"))
    assert "Truncate nothing in AOF" in check_tool(server, "--truncate-to-timestamp", "2000").stdout
    assert "Successfully truncated AOF" in check_tool(server, "--truncate-to-timestamp", "1999").stdout
    assert (server.folder / FOLDER / INCR).read_bytes() == first
    assert "has nothing before timestamp 999" in check_tool(server, "--truncate-to-timestamp", "999").stdout
    for word in ("--5", "\u00b2", "x"):
        assert check_tool(server, "--truncate-to-timestamp", word).stdout == "Invalid timestamp, aborting...\n"
