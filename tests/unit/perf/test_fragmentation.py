"""The benchmark of fragmentation in small: its data, its table, and a peer that cannot defragment."""

import pytest

from perf import fragmentation
from perf.fragmentation import Course, Rest


def test_the_data_are_the_same_each_time_and_most_of_them_go() -> None:
    made = list(fragmentation.commands(1000))
    assert made == list(fragmentation.commands(1000))
    assert {command.split(b"\r\n")[2] for command in made} == {b"SET", b"RPUSH", b"SADD", b"ZADD", b"HSET"}
    assert len({command.split(b"\r\n")[4] for command in made}) == 1000
    assert 850 < len(list(fragmentation.deletions(1000))) < 950


def test_ours_without_and_with_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(fragmentation, "QUIET_SECONDS", 0.3)
    assert fragmentation.main(["--keys", "500", "--peer", ""]) == 0
    _, without, moving = capsys.readouterr().out.splitlines()
    assert (without.split()[:2], moving.split()[:2]) == (["ours", "no"], ["ours", "yes"])
    assert len(without.split()) == len(moving.split()) == 12


def test_a_server_that_cannot_says_so_in_the_table() -> None:
    rest = Rest(4e6, 1.5, 2.0, 0.5, 3.0, 4e6)
    found = {("peer", False): Course(9e6, 8e6, 1e6, 5.0, rest), ("peer", True): Course(9e6, 8e6, 1e6, 5.0, None)}
    head, without, moving = fragmentation.rows(found)
    assert without[6:8] == ["4.00", "1.50"]
    assert moving[6] == "it cannot"
    assert len(head) == len(without) == len(moving)


@pytest.mark.parametrize("arguments", [["--keys", "1"], ["--share", "0"], ["--share", "100"]])
def test_nonsense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        fragmentation.options(arguments)


def test_a_server_that_does_not_start_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert fragmentation.main(["--server", "false", "--peer", ""]) == 2
    assert fragmentation.main(["--server", "no-such-program", "--peer", ""]) == 2
    assert "missing" in capsys.readouterr().err
