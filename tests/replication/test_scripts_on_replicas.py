"""What a replica does with scripts: what they declare counts, also when they were queued while it was a master."""

from typing import Any

import pytest

from tests.support.resp import RespError
from tests.support.server import Server, free_port

WRITER = "#!lua\nreturn 1"
READER = "#!lua flags=no-writes\nreturn 1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def c(server: Server) -> Any:
    with server.connect() as connection:
        yield connection
        connection("CONFIG", "SET", "replica-serve-stale-data", "yes")
        connection("REPLICAOF", "NO", "ONE")


def become_a_replica_of_nobody(c: Any) -> None:
    """Of a port where nobody listens: read only, and without a link."""
    c.ok("REPLICAOF", "127.0.0.1", str(free_port()))


@pytest.mark.parametrize("fast", ["yes", "no"])
@pytest.mark.parametrize(("script", "refused"), [(WRITER, True), (READER, False), ("return 1", False)])
def test_exec_counts_what_queued_scripts_declare(server: Server, c: Any, script: str, refused: bool, fast: str) -> None:
    c.ok("DEBUG", "FAST-PATHS", fast)
    with server.connect() as other:
        other.ok("MULTI")
        assert other("EVAL", script, "0") == "QUEUED"
        become_a_replica_of_nobody(c)
        answer = other("EXEC")
    if refused:
        assert isinstance(answer, RespError)
        assert answer.text.startswith("EXECABORT Transaction discarded because of: READONLY ")
    else:
        assert answer == [1]
    c.ok("DEBUG", "FAST-PATHS", "yes")


@pytest.mark.parametrize("fast", ["yes", "no"])
def test_no_script_writes_on_a_replica(server: Server, c: Any, fast: str) -> None:
    writes = "redis.call('set', KEYS[1], 1)\nreturn 1"
    refusal = "READONLY You can't write against a read only replica. script: "
    c.ok("DEBUG", "FAST-PATHS", fast)
    sha = c("SCRIPT", "LOAD", writes)
    with server.connect() as other:
        other.ok("MULTI")
        assert other("EVAL", writes, "1", "k") == "QUEUED"
        become_a_replica_of_nobody(c)
        assert other("EXEC")[0].text.startswith(refusal)
    for words in (("EVAL", writes, "1", "k"), ("EVALSHA", sha, "1", "k")):
        assert c(*words).text.startswith(refusal)
    assert c("EVAL", "return redis.pcall('set', KEYS[1], 1)", "1", "k").text.startswith("READONLY ")
    assert c("EXISTS", "k") == 0
    c.ok("CONFIG", "SET", "replica-read-only", "no")
    assert c("EVAL", writes, "1", "k") == 1
    c.ok("CONFIG", "SET", "replica-read-only", "yes")
    c.ok("DEBUG", "FAST-PATHS", "yes")
    c.ok("REPLICAOF", "NO", "ONE")
    c("DEL", "k")


def test_a_script_that_declares_nothing_does_not_run_without_the_master(server: Server, c: Any) -> None:
    sha = c("SCRIPT", "LOAD", "return 1")
    c.ok("CONFIG", "SET", "replica-serve-stale-data", "no")
    become_a_replica_of_nobody(c)
    masterdown = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
    for words in (("EVAL", "return 1", "0"), ("EVALSHA", sha, "0"), ("EVAL", READER, "0")):
        assert c(*words).text == masterdown
    stale = "#!lua flags=no-writes,allow-stale\nreturn "
    assert c("EVAL", stale + "1", "0") == 1
    assert c("EVAL", stale + "redis.call('get', KEYS[1])", "1", "k").text.startswith(
        "ERR Can not execute the command on a stale replica script: ")
    assert c("EVAL", stale + "redis.call('echo', 'x')", "0") == b"x"
