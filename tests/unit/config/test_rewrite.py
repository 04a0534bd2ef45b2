"""CONFIG REWRITE: what changes in the file, what stays, and that the result reads back as the same configuration."""

import os
from pathlib import Path

import pytest

from server.config.config import Config
from server.config.rewrite import SIGNATURE, Rewrite, rewrite_text


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def start(text: str, *options: str) -> Config:
    Path("a.conf").write_text(text)
    config = Config.from_argv(["remus-server", "a.conf", *options])
    assert isinstance(config, Config)
    return config


def rewritten(config: Config) -> list[str]:
    config.rewrite()
    return Path("a.conf").read_text().splitlines()


def named(lines: list[str], name: str) -> list[str]:
    return [line for line in lines if line.split(" ")[0] == name]


def test_values_change_in_place_and_comments_stay() -> None:
    config = start("# one\nport 1\n# two\n\n\n\nmaxmemory 1mb\n# three\ntimeout 3")
    config.set([("maxmemory", "3gb"), ("hz", "20")])
    lines = rewritten(config)
    assert lines[:7] == ["# one", "port 1", "# two", "", "maxmemory 3gb", "# three", "timeout 3"]
    assert lines[7] == SIGNATURE
    assert "hz 20" in lines[8:]


def test_a_line_at_its_default_stays_and_others_are_not_added() -> None:
    lines = rewritten(start("timeout 0\n"))
    assert lines[0] == "timeout 0"
    assert {line.split(" ")[0] for line in lines[lines.index(SIGNATURE) + 1 :]} == {
        "save", "dir", "latency-tracking-info-percentiles"}


def test_duplicates_go() -> None:
    config = start("port 1\nport 2\nport 3\n")
    assert named(rewritten(config), "port") == ["port 3"]


def test_save_lines() -> None:
    config = start("save 900 1\n# between\nsave 300 10\nsave 60 5\n")
    config.set([("save", "1 2 3 4")])
    lines = rewritten(config)
    assert lines[:3] == ["save 1 2", "# between", "save 3 4"]
    config.set([("save", "")])
    assert named(rewritten(config), "save") == ['save ""']
    config.set([("save", "7 8 9 10 11 12")])
    assert named(rewritten(config), "save") == ["save 7 8", "save 9 10", "save 11 12"]


@pytest.mark.usefixtures("everything_built")
def test_bind_and_the_like() -> None:
    config = start("bind 127.0.0.1\nunixsocket /tmp/x\nreplicaof a 1\nrequirepass x\n")
    config.set([("bind", "* -::*"), ("requirepass", "")])
    config.store("replicaof", None)
    lines = rewritten(config)
    assert named(lines, "bind") == named(lines, "replicaof") == named(lines, "requirepass") == []
    assert named(lines, "unixsocket") == ['unixsocket "/tmp/x"']
    config.set([("bind", ""), ("requirepass", "a\udcff b")])
    lines = rewritten(config)
    assert named(lines, "bind") == ['bind ""']
    assert named(lines, "requirepass") == ['requirepass "a\\xff b"']


def test_buffer_limits_use_the_name_replica() -> None:
    config = start("")
    config.set([("client-output-buffer-limit", "slave 1mb 2kb 3"), ("maxmemory-clients", "5%")])
    lines = rewritten(config)
    assert named(lines, "client-output-buffer-limit") == ["client-output-buffer-limit replica 1mb 2kb 3"]
    assert named(lines, "maxmemory-clients") == ["maxmemory-clients 5%"]


def test_aliases_become_the_name() -> None:
    config = start("hash-max-ziplist-entries 99\nHASH-max-listpack-entries 98\nlua-time-limit 5\n")
    lines = rewritten(config)
    assert named(lines, "hash-max-listpack-entries") == ["hash-max-listpack-entries 98"]
    assert named(lines, "busy-reply-threshold") == ["busy-reply-threshold 5"]


@pytest.mark.usefixtures("everything_built")
def test_lines_of_others_stay() -> None:
    text = "include b.conf\nrename-command FLUSHALL x\nuser bob on\n"
    Path("b.conf").write_text("# b\n")
    lines = rewritten(start(text))
    assert lines[:3] == text.splitlines()
    assert Path("b.conf").read_text() == "# b\n"


@pytest.mark.usefixtures("everything_built")
def test_users() -> None:
    config = start("user bob on\nuser tom on\n")
    config.describe_users = lambda: ["user default on nopass"]
    assert named(rewritten(config), "user") == ["user default on nopass"]
    Path("a.conf").write_text("user bob on\n")
    config.store("aclfile", "x.acl")
    assert named(rewritten(config), "user") == []


def test_sentinel_lines_by_their_kind() -> None:
    rewrite = Rewrite("sentinel monitor a 1 2 3\nsentinel myid x\n", sentinel_mode=True)
    rewrite.line("sentinel myid", "sentinel myid y", True)
    assert rewrite.text().split() == ["sentinel", "monitor", "a", "1", "2", "3", "sentinel", "myid", "y"]


def test_what_cannot_be_read_becomes_a_comment() -> None:
    config = start("")
    assert rewrite_text(config, "loadmodules x\nport 'a\n").startswith("# ??? loadmodules x\n# ??? port 'a\n")


def test_the_signature_is_written_once() -> None:
    config = start("")
    config.set([("hz", "20")])
    rewritten(config)
    config.set([("timeout", "7")])
    lines = rewritten(config)
    assert lines.count(SIGNATURE) == 1
    assert {"hz 20", "timeout 7"} <= set(lines)


def test_forced_for_all_it_reads_back_as_the_same() -> None:
    config = start("")
    config.force_rewrite = True
    rewritten(config)
    again = Config.from_argv(["remus-server", "a.conf"])
    assert isinstance(again, Config)
    assert again.get(["*"]) == config.get(["*"])


def test_a_rewritten_file_reads_back_and_a_second_rewrite_changes_nothing() -> None:
    config = start("port 1\n", "--maxmemory", "3mb", "--save", "5", "6", "--notify-keyspace-events", "KEA")
    first = rewritten(config)
    again = Config.from_argv(["remus-server", "a.conf"])
    assert isinstance(again, Config)
    assert again.get(["*"]) == config.get(["*"])
    assert [line for line in rewritten(again) if line] == [line for line in first if line]


def test_a_file_that_is_gone_is_made_anew_and_its_mode_follows_the_umask() -> None:
    config = start("port 5\n")
    os.unlink("a.conf")
    assert named(rewritten(config), "port") == ["port 5"]
    mask = os.umask(0o022)
    os.umask(mask)
    assert os.stat("a.conf").st_mode & 0o777 == 0o644 & ~mask
    assert os.listdir(".") == ["a.conf"]


def test_a_failure_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    config = start("port 5\n")
    config.set([("port", "6")])

    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        config.rewrite()
    assert Path("a.conf").read_text() == "port 5\n"
    assert os.listdir(".") == ["a.conf"]
