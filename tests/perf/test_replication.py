"""A whole comparison of masters and replicas against a real server, in small."""

import pytest

from perf import replication
from tests.support.peer import require_peer


def test_figures_of_both_sides_and_of_wait(capsys: pytest.CaptureFixture[str]) -> None:
    peer = require_peer()
    words = ["--tests", "hset,wait", "--pipeline", "16", "--reps", "2", "--scale", "0.01", "--replicas", "2"]
    assert replication.main(["--peer", peer, *words]) == 0
    told = capsys.readouterr().out
    rows = [line.split() for line in told.splitlines()]
    assert [row[0] for row in rows if "cpu" in row] == ["hset", "hset", "SET", "SET"], told
    assert [row[-4] for row in rows if "requests/s" in row] == ["requests/s"], told


@pytest.mark.parametrize("arguments", [["--tests", "get"], ["--replicas", "0"], ["--reps", "0"], ["--scale", "0"]])
def test_nonsense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        replication.options(arguments)
    assert "error" in capsys.readouterr().err


def test_a_server_that_does_not_start_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert replication.main(["--server", "false", "--tests", "wait"]) == 2
    assert "did not start" in capsys.readouterr().err
