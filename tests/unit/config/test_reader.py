"""Configuration files and command lines, read as Redis reads them, and what is said when they are wrong."""

import io
import os
from pathlib import Path

import pytest

from server.config.config import Config
from server.config.reader import ConfigError, nearest_directive


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, *options: str) -> Config:
    Path("a.conf").write_text(text)
    config = Config.from_argv(["remus-server", "a.conf", *options])
    assert isinstance(config, Config)
    return config


def fatal(text: str, *options: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, *options)
    return caught.value.text


def report(number: int, line: str, reason: str, hint: str = "") -> str:
    return (
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.6) ***\n"
        f"Reading the configuration file, at line {number}\n>>> '{line}'\n{reason}\n{hint}"
    )


def test_a_file() -> None:
    config = read(
        "# nothing\n\n  PORT 7000\t\r\nbind 127.0.0.1 ::1\nlogfile ''\n"
        'proc-title-template "x {title}"\nmaxmemory 100mb\nmaxmemory 200mb\nlua-time-limit 7\n'
    )
    assert (config.port, config.bind, config.maxmemory) == (7000, ("127.0.0.1", "::1"), 200 << 20)
    assert config.proc_title_template == "x {title}"
    assert config.busy_reply_threshold == 7
    assert config.configfile == os.path.abspath("a.conf")
    assert config.exec_argv[1] == config.configfile


def test_nothing_to_read() -> None:
    config = Config.from_argv(["remus-server"])
    assert isinstance(config, Config)
    assert config.configfile is None
    assert config.save == ((3600, 1), (300, 100), (60, 10000))


def test_save_lines_add_up_and_replace_the_default() -> None:
    assert read("save 900 1\nsave 300 10").save == ((900, 1), (300, 10))
    assert read("save 900 1 300 10").save == ((900, 1), (300, 10))
    assert read("save '900 1 300 10'").save == ((900, 1), (300, 10))
    assert read("save 900 1", "--save", "100", "100").save == ((900, 1), (100, 100))
    assert read("save 900 1", "--save", "").save == ()
    assert read("save 900 1", "--save", "--port", "1").save == ()
    assert read('save ""\nsave 1 2').save == ((1, 2),)


def test_the_last_one_wins_and_words_win_over_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"timeout 2\nhz 20\n")))
    config = read("timeout 1\nhz 10\nport 1\n", "--timeout", "3", "-")
    assert (config.timeout, config.hz, config.port) == (3, 20, 1)


def test_a_value_of_several_words_in_one() -> None:
    assert read("shutdown-on-sigterm 'nosave now'").shutdown_on_sigterm == {"nosave", "now"}
    config = read("", "--client-output-buffer-limit", "pubsub 1mb 2 3", "--bind", "1.1.1.1 2.2.2.2")
    assert config.client_output_buffer_limit["pubsub"] == (1 << 20, 2, 3)
    assert config.bind == ("1.1.1.1", "2.2.2.2")


def test_includes_are_read_in_place() -> None:
    Path("sub").mkdir()
    Path("sub/b.conf").write_text("timeout 5\nhz 50")
    Path("sub/c.conf").write_text("timeout 6\n")
    config = read("timeout 1\ninclude sub/*.conf\nhz 60\ninclude nothing-*.conf\n")
    assert (config.timeout, config.hz) == (6, 60)


def test_includes_follow_dir() -> None:
    Path("sub").mkdir()
    Path("sub/b.conf").write_text("timeout 5\n")
    config = read("dir sub\ninclude b.conf\n")
    assert config.timeout == 5
    assert config.dir == os.getcwd()


def test_an_error_in_an_included_file_counts_its_own_lines() -> None:
    Path("b.conf").write_text("\nport x\n")
    assert fatal("\n\n\ninclude b.conf\n") == report(2, "port x", "argument couldn't be parsed into an integer")


def test_an_include_that_is_not_there() -> None:
    assert fatal("include b.conf\n") == "Fatal error, can't open config file 'b.conf': No such file or directory\n"
    with pytest.raises(ConfigError) as caught:
        Config.from_argv(["remus-server", "nope.conf"])
    path = os.path.abspath("nope.conf")
    assert caught.value.text == f"Fatal error, can't open config file '{path}': No such file or directory\n"


def test_a_file_that_includes_itself() -> None:
    assert "Too many levels of include" in fatal("include a.conf\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("port", "wrong number of arguments"),
        ("port 1 2", "wrong number of arguments"),
        ("port 'a", "Unbalanced quotes in configuration line"),
        ("activedefrag maybe", "argument must be 'yes' or 'no'"),
        ("dir /no/such/place", "No such file or directory"),
        ("sentinel monitor x", "sentinel directive while not in sentinel mode"),
        ("loadmodule x.so", "Modules are not supported: this server cannot load native Redis modules"),
        ("mod.value", "Module config specified without value"),
        ("include", "Bad directive or wrong number of arguments"),
        ("rename-command a", "Bad directive or wrong number of arguments"),
        ("xyzzy-foo 1", "Bad directive or wrong number of arguments"),
    ],
)
def test_mistakes(line: str, reason: str) -> None:
    assert fatal(f"hz 10\n  {line}  \n") == report(2, line, reason)


def test_the_nearest_directive_is_named() -> None:
    hint = "The nearest known directive is 'maxmemory-policy'\n"
    reason = "Bad directive or wrong number of arguments"
    assert fatal("maxmemory-polcy noeviction") == report(1, "maxmemory-polcy noeviction", reason, hint)
    assert nearest_directive("qqqqqqqq") == ""


@pytest.mark.parametrize(
    ("line", "meant"),
    [("-p 7000", "port"), ("-port 7000", "port"), ("--maxmemory 1mb", "maxmemory"), ("-a x", "requirepass")],
)
def test_dashes_of_another_kind_get_a_hint(line: str, meant: str) -> None:
    reason = "Bad directive or wrong number of arguments"
    hint = f"On the command line '--{meant}' is meant, in a file '{meant}'\n"
    assert fatal(line) == report(1, line, reason, hint)


def test_so_do_they_on_the_command_line() -> None:
    with pytest.raises(ConfigError, match="'--port' is meant"):
        Config.from_argv(["remus-server", "-p", "7000"])
    assert nearest_directive("-qqqqqqqq") == ""


def test_mistakes_on_the_command_line_follow_the_file() -> None:
    assert fatal("hz 10", "--port", "x").startswith(report(2, 'port "x"', "argument couldn't"[:17]).rstrip("\n"))


@pytest.mark.usefixtures("everything_built")
def test_lines_for_other_rooms_are_kept() -> None:
    config = read('user bob on >x\nrename-command FLUSHALL ""\nsentinel\n')
    assert config.users[0].words == ("user", "bob", "on", ">x")
    assert config.renamed_commands[0].words == ("rename-command", "FLUSHALL", "")
    error = config.renamed_commands[0].error("No such command in rename-command")
    assert error.text == report(2, 'rename-command FLUSHALL ""', "No such command in rename-command")
    sentinel = read("sentinel monitor m 127.0.0.1 1 2\n", "--sentinel")
    assert sentinel.sentinel_mode
    assert sentinel.sentinel_lines[0].words[1:3] == ("monitor", "m")


def test_directives_of_old_are_passed_over() -> None:
    read("list-max-ziplist-entries 1\nlist-max-ziplist-value 2\nlua-replicate-commands yes\n")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("cluster-enabled yes", "cluster"),
        ("tls-port 6390", "tls"),
        ("tls-replication yes", "tls"),
        ("tls-cluster yes", "tls"),
    ],
)
def test_a_promise_that_nothing_keeps_stops_the_start(line: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.config.table.NOT_BUILT", {part: "what it takes"})
    reason = "This server does not have what it takes yet, and refuses what asks for it"
    assert fatal(f"# a file\n{line}\nhz 11\n") == report(2, line, reason)


def test_a_sentinel_has_a_port_of_its_own_and_is_open_to_others() -> None:
    for config in (read("", "--sentinel"), Config.from_argv(["/usr/bin/redis-sentinel"])):
        assert isinstance(config, Config)
        assert (config.sentinel_mode, config.port, config.protected_mode) == (True, 26379, False)
    assert read("port 7\nprotected-mode yes\n", "--sentinel").port == 7
    config = Config.from_argv(["/opt/redis-sentinel/remus-server"])
    assert isinstance(config, Config) and (config.sentinel_mode, config.port) == (False, 6379)


def test_what_is_true_without_the_part_is_accepted() -> None:
    read("replicaof no one\ntls-port 0\ncluster-enabled no\nmasterauth x\ntls-ciphers X\n")


@pytest.mark.usefixtures("everything_built")
def test_checks_of_the_whole() -> None:
    assert fatal("logfile /no/such/place/x.log") == (
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.6) ***\nCan't open the log file: No such file or directory\n"
    )
    assert "replicaof directive not allowed in cluster mode" in fatal("cluster-enabled yes\nreplicaof a 1\n")
    config = read("cluster-enabled yes\n")
    assert config.databases == 1
    told: list[str] = []
    config.log_to(lambda level, text: told.append(text))
    assert "WARNING: Changing databases number from 16 to 1 since we are in cluster mode" in told
