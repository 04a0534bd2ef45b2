"""The command line, the data sets, the yardstick, and one whole comparison against a real server."""

import sys

import pytest

from perf import compare, memory, results
from perf.server_under_test import CHUNK_BYTES, ServerFailed, ServerUnderTest, chunks, encode, status_bytes
from tests.support.peer import require_peer
from tests.support.resp import encode as reference_encode


def test_defaults_are_everything():
    given = compare.options([])
    assert given.parts == ["load", "latency", "memory", "start", "disk", "idle"]
    assert given.pipeline == [1, 16, 50]
    assert "mset" in given.tests and "string" in given.kinds


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tests", "get,nosuch"],
        ["--parts", "x"],
        ["--kinds", "x"],
        ["--reps", "0"],
        ["--scale", "0"],
        ["--pipeline", "0"],
    ],
)
def test_nonsense_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        compare.options(arguments)
    assert "error" in capsys.readouterr().err


def test_settings_do_not_name_the_tests():
    one, two = compare.options(["--tests", "get"]), compare.options(["--tests", "set", "--parts", "load"])
    assert compare.settings(one, "7.0.15") == compare.settings(two, "7.0.15")
    assert compare.settings(one, "7.0.15") != compare.settings(one, "7.2.6")


def test_a_missing_program_is_named(capsys):
    assert compare.main(["--peer", "no-such-server", "--json", ""]) == 2
    assert "no-such-server" in capsys.readouterr().err


def test_encode():
    assert encode("SET", b"\xff", 12) == reference_encode("SET", b"\xff", 12)


def test_chunks_lose_nothing():
    commands = [encode("SET", n, "x" * 1000) for n in range(600)]
    joined = list(chunks(commands))
    assert b"".join(joined) == b"".join(commands)
    assert all(len(chunk) >= CHUNK_BYTES for chunk in joined[:-1])
    assert list(chunks([])) == []


@pytest.mark.parametrize("kind", memory.KINDS)
def test_every_kind_makes_as_many_commands_as_items(kind):
    _, commands = memory.KINDS[kind]
    made = list(commands(7))
    assert len(made) == len(set(made)) == 7
    assert all(command.startswith(b"*") for command in made)


def test_sizes_in_proc_are_kilobytes():
    assert status_bytes("Name:\tx\nVmRSS:\t    1234 kB\n", "VmRSS") == 1234 * 1024
    assert status_bytes("Name:\tx\n", "VmRSS") == 0


def test_a_server_that_ends_is_reported_with_its_log():
    with pytest.raises(ServerFailed, match="no port today"):
        ServerUnderTest("ours", f"{sys.executable} -c 'raise SystemExit(\"no port today\")'")


def test_an_error_reply_is_no_data():
    with ServerUnderTest("peer", require_peer()) as peer:
        peer.send([encode("SET", "a", "b")])
        with pytest.raises(ServerFailed, match="WRONGTYPE"):
            peer.send([encode("LPUSH", "a", "b")])
        assert peer.info("tcp_port") == str(peer.port)
        assert peer.cpu_us() > 0 and peer.rss_bytes() > 0
        folder = peer.folder
    assert not folder.exists()


def test_a_comparison_is_kept_and_the_next_one_judged(tmp_path, capsys):
    """The peer against itself: whatever the figures are, they are there, and all judged the second time."""
    path = tmp_path / "results.jsonl"
    arguments = ["--server", require_peer(), "--peer", require_peer(), "--json", str(path), "--scale", "0.001"]
    arguments += ["--parts", "memory,start", "--kinds", "string,list of 10 elements", "--reps", "1", "--markdown"]
    arguments += ["--tolerance", "1000", "--memory-tolerance", "1000"]
    assert compare.main(arguments) == 0
    assert "0 of 4 figures were measured here before" in capsys.readouterr().out
    assert compare.main(arguments) == 0
    out = capsys.readouterr().out
    assert "4 of 4 figures were measured here before" in out and "| string |" in out
    assert len(results.read(path)) == 2
