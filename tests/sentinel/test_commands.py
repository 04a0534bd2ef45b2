"""What a sentinel answers; the texts are those of redis-sentinel 7.2.6, which was asked the same."""

import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pace import wait_until
from tests.support.resp import Connection, RespError
from tests.support.sentinels import NAME, OurSentinel, pairs
from tests.support.server import Server, free_port


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurSentinel]:
    """It watches one master, which is there, and has no replicas."""
    folder = tmp_path_factory.mktemp("watch")
    with Server(folder / "server") as server:
        with OurSentinel(folder / "sentinel", config=(
                f"sentinel deny-scripts-reconfig no\nsentinel monitor {NAME} 127.0.0.1 {server.port} 2")) as sentinel:
            wait_until(lambda: sentinel.master_fields()["flags"] == "master" and sentinel.master_fields()["runid"],
                       "the master to be seen")
            yield sentinel


@pytest.fixture
def ask(sentinel: OurSentinel) -> Iterator[Callable[..., Any]]:
    with sentinel.connect() as c:
        yield c


def error(reply: Any) -> str:
    assert isinstance(reply, RespError), reply
    return str(reply)


NO_MASTER = "ERR No such master with that name"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("SENTINEL", "ERR wrong number of arguments for 'sentinel' command"),
        ("SENTINEL FOO", "ERR unknown subcommand 'FOO'. Try SENTINEL HELP."),
        ("SENTINEL MASTER", "ERR wrong number of arguments for 'sentinel|master' command"),
        ("SENTINEL MASTER nope", NO_MASTER),
        ("SENTINEL REPLICAS nope", NO_MASTER),
        ("SENTINEL SLAVES nope", NO_MASTER),
        ("SENTINEL SENTINELS nope", NO_MASTER),
        ("SENTINEL CKQUORUM nope", NO_MASTER),
        ("SENTINEL REMOVE nope", NO_MASTER),
        ("SENTINEL SET nope quorum 1", NO_MASTER),
        ("SENTINEL FAILOVER nope", NO_MASTER),
        (f"SENTINEL FAILOVER {NAME}", "NOGOODSLAVE No suitable replica to promote"),
        (f"SENTINEL CKQUORUM {NAME}", "NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the "
                                      "specified quorum for this master"),
        ("SENTINEL MONITOR a 127.0.0.1 x 1", "ERR Invalid port"),
        ("SENTINEL MONITOR a 127.0.0.1 1 x", "ERR Invalid quorum"),
        ("SENTINEL MONITOR a 127.0.0.1 1 0", "ERR Quorum must be 1 or greater."),
        ("SENTINEL MONITOR a some.name 1 1", "ERR Invalid IP address or hostname specified"),
        ("SENTINEL MONITOR a 127.0.0.1 65536 1", "ERR Invalid port number."),
        (f"SENTINEL MONITOR {NAME} 127.0.0.1 1 1", "ERR Duplicate master name."),
        (f"SENTINEL SET {NAME} quorum", "ERR wrong number of arguments for 'sentinel|set' command"),
        (f"SENTINEL SET {NAME} quorum 0", "ERR Invalid argument '0' for SENTINEL SET 'quorum'"),
        (f"SENTINEL SET {NAME} nonsense 3",
         "ERR Unknown option or number of arguments for SENTINEL SET 'nonsense'"),
        (f"SENTINEL SET {NAME} rename-command a",
         "ERR Unknown option or number of arguments for SENTINEL SET 'rename-command'"),
        (f"SENTINEL SET {NAME} notification-script /nowhere",
         "ERR Notification script seems non existing or non executable"),
        (f"SENTINEL SET {NAME} client-reconfig-script /nowhere",
         "ERR Client reconfiguration script seems non existing or non executable"),
        ("SENTINEL CONFIG FOO x y", "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...]/ SET <param> <value> "
                                    "[<param> <value> ...] are supported."),
        ("SENTINEL CONFIG SET nope x", "ERR Invalid argument 'nope' to SENTINEL CONFIG SET"),
        ("SENTINEL CONFIG SET announce-ip x announce-ip y",
         "ERR Duplicate argument 'announce-ip' to SENTINEL CONFIG SET"),
        ("SENTINEL CONFIG SET announce-ip x announce-port", "ERR Missing argument 'announce-port' value"),
        ("SENTINEL CONFIG SET announce-port 65536",
         "ERR Invalid value '65536' to SENTINEL CONFIG SET 'announce-port'"),
        ("SENTINEL CONFIG SET resolve-hostnames maybe",
         "ERR Invalid value 'maybe' to SENTINEL CONFIG SET 'resolve-hostnames'"),
        ("SENTINEL DEBUG info-period 0", "ERR Invalid argument '0' for SENTINEL DEBUG 'info-period'"),
        ("SENTINEL DEBUG foo 1", "ERR Unknown option or number of arguments for SENTINEL DEBUG 'foo'"),
        ("SENTINEL SIMULATE-FAILURE foo", "ERR Unknown failure simulation specified"),
        ("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *", "ERR value is not an integer or out of range"),
        ("PUBLISH a b", "ERR Only HELLO messages are accepted by Sentinel instances."),
        ("GET k", "ERR unknown command 'GET', with args beginning with: 'k' "),
        ("CONFIG GET *", "ERR unknown command 'CONFIG', with args beginning with: 'GET' '*' "),
        ("RESET", "ERR unknown command 'RESET', with args beginning with: "),
        ("CLIENT NO-TOUCH on", "ERR unknown subcommand 'NO-TOUCH'. Try CLIENT HELP."),
    ],
)
def test_refusals(ask: Connection, words: str, text: str) -> None:
    assert error(ask(*words.split(" "))) == text


def test_what_it_is(ask: Connection, sentinel: OurSentinel) -> None:
    assert ask("ROLE") == [b"sentinel", [NAME.encode()]]
    assert ask("COMMAND", "COUNT") == 15
    assert len(ask("SENTINEL", "MYID")) == 40
    assert dict(zip(*[iter(ask("HELLO"))] * 2, strict=True))[b"mode"] == b"sentinel"
    text = ask("INFO").decode()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Server", "# Clients", "# Stats", "# CPU", "# Sentinel"]
    assert "redis_mode:sentinel" in text and "\r\nmaster0:name=mymaster,status=ok," in text
    assert ask("INFO", "replication") == b""
    assert ask("CLIENT", "TRACKING", "on") == ask("CLIENT", "TRACKING", "off") == "OK"


def test_how_a_master_is_described(ask: Connection, sentinel: OurSentinel) -> None:
    reply = ask("SENTINEL", "MASTER", NAME)
    assert [word.decode() for word in reply[::2]] == [
        "name", "ip", "port", "runid", "flags", "link-pending-commands", "link-refcount", "last-ping-sent",
        "last-ok-ping-reply", "last-ping-reply", "down-after-milliseconds", "info-refresh", "role-reported",
        "role-reported-time", "config-epoch", "num-slaves", "num-other-sentinels", "quorum", "failover-timeout",
        "parallel-syncs"]
    told = pairs(reply)
    assert (told["ip"], told["quorum"], told["failover-timeout"]) == ("127.0.0.1", "2", "180000")
    assert [pairs(one)["name"] for one in ask("SENTINEL", "MASTERS")] == [NAME]
    assert ask("SENTINEL", "REPLICAS", NAME) == []
    assert ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME) == [b"127.0.0.1", told["port"].encode()]
    assert repr(ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "nope")) == "NullArray"
    name, cached = ask("SENTINEL", "INFO-CACHE", NAME)
    assert name == NAME.encode() and b"# Server" in cached[0][1]
    with sentinel.connect(protocol=3) as c:
        assert c("SENTINEL", "MASTER", NAME)[b"name"] == NAME.encode()


def test_one_vote_in_an_epoch(ask: Connection, sentinel: OurSentinel) -> None:
    port = sentinel.address()[1]
    assert ask("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, 0, "*") == [0, b"*", 0]
    assert ask("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, 3, "abc") == [0, b"abc", 3]
    assert f"sentinel leader-epoch {NAME} 3\n" in sentinel.config_file.read_text()
    assert ask("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, 3, "def") == [0, b"abc", 3]
    assert ask("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", 1, 9, "def") == [0, b"*", 0]


def test_what_may_be_set_is_told_and_written(ask: Connection, sentinel: OurSentinel) -> None:
    with sentinel.connect() as listener:
        listener("PSUBSCRIBE", "*")
        assert ask("SENTINEL", "SET", NAME, "parallel-syncs", 3, "auth-pass", "a b", "rename-command", "x", "y") == "OK"
        prefix = f"master {NAME} 127.0.0.1 {sentinel.address()[1]} ".encode()
        assert [listener.read() for _ in range(3)] == [
            [b"pmessage", b"*", b"+set", prefix + text]
            for text in (b"parallel-syncs 3", b"auth-pass ******", b"rename-command x y")]
    text = sentinel.config_file.read_text()
    assert f"sentinel parallel-syncs {NAME} 3\n" in text and f'sentinel auth-pass {NAME} "a b"\n' in text
    assert f"sentinel rename-command {NAME} x y\n" in text
    assert ask("SENTINEL", "SET", NAME, "parallel-syncs", 1, "auth-pass", "", "rename-command", "x", "X") == "OK"
    text = sentinel.config_file.read_text()
    assert "parallel-syncs" not in text and "auth-pass" not in text and "rename-command" not in text


def test_what_stands_before_a_mistake_is_set(ask: Connection) -> None:
    assert error(ask("SENTINEL", "SET", NAME, "parallel-syncs", 4, "quorum", "x"))
    assert pairs(ask("SENTINEL", "MASTER", NAME))["parallel-syncs"] == "4"
    ask("SENTINEL", "SET", NAME, "parallel-syncs", 1)


def test_a_whole_sentinel_s_settings(ask: Connection, sentinel: OurSentinel) -> None:
    assert ask("SENTINEL", "CONFIG", "SET", "announce-ip", "10.1.2.3", "announce-port", "77", "loglevel", "DEBUG",
               "sentinel-user", "u", "sentinel-pass", "p", "announce-hostnames", "YES") == "OK"
    assert ask("SENTINEL", "CONFIG", "GET", "announce-*", "LOGLEVEL", "sentinel-*", "announce-port") == [
        b"announce-hostnames", b"yes", b"announce-ip", b"10.1.2.3", b"announce-port", b"77", b"loglevel", b"debug",
        b"sentinel-user", b"u", b"sentinel-pass", b"p"]
    text = sentinel.config_file.read_text()
    for line in ('sentinel announce-ip "10.1.2.3"', "sentinel announce-port 77", "sentinel sentinel-pass p",
                 "loglevel debug", "sentinel announce-hostnames yes"):
        assert f"{line}\n" in text
    assert ask("SENTINEL", "CONFIG", "SET", "announce-ip", "", "announce-port", "0", "loglevel", "notice",
               "sentinel-user", "", "sentinel-pass", "", "announce-hostnames", "no") == "OK"
    assert "announce-ip" not in sentinel.config_file.read_text()


def test_timings(ask: Connection) -> None:
    assert ask("SENTINEL", "DEBUG")[:4] == [b"INFO-PERIOD", b"10000", b"PING-PERIOD", b"1000"]
    assert ask("SENTINEL", "DEBUG", "info-period", 9000, "PING-PERIOD", 900) == "OK"
    assert ask("SENTINEL", "DEBUG")[:4] == [b"INFO-PERIOD", b"9000", b"PING-PERIOD", b"900"]
    assert ask("SENTINEL", "DEBUG", "info-period", 10000, "ping-period", 1000) == "OK"


def test_masters_come_and_go(ask: Connection, sentinel: OurSentinel) -> None:
    assert ask("SENTINEL", "MONITOR", "second", "127.0.0.1", 1, 1) == "OK"
    assert "sentinel monitor second 127.0.0.1 1 1\n" in sentinel.config_file.read_text()
    assert ask("SENTINEL", "RESET", "sec*") == 1 and ask("SENTINEL", "RESET", "nope") == 0
    assert ask("SENTINEL", "REMOVE", "second") == "OK"
    assert "second" not in sentinel.config_file.read_text()


def test_simulated_failures(ask: Connection) -> None:
    assert ask("SENTINEL", "SIMULATE-FAILURE", "help") == [b"crash-after-election", b"crash-after-promotion"]
    assert ask("SENTINEL", "SIMULATE-FAILURE", "CRASH-AFTER-PROMOTION") == "OK"
    assert b"sentinel_simulate_failure_flags:2\r\n" in ask("INFO", "sentinel")
    assert ask("SENTINEL", "SIMULATE-FAILURE", "help") and b"flags:0\r\n" in ask("INFO", "sentinel")


def test_a_file_that_cannot_be_written_is_told(ask: Connection, sentinel: OurSentinel) -> None:
    moved = sentinel.folder.with_name("moved")
    sentinel.folder.rename(moved)
    try:
        assert error(ask("SENTINEL", "FLUSHCONFIG")) == "ERR Failed to save config file. Check server logs."
        port = sentinel.address()[1]
        vote = ask("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, 50, "abc")
        assert vote == [0, b"*", 0]                     # a vote that is not kept is not told,
        assert ask("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, 50, "abc") == vote     # ... nor is it later
    finally:
        moved.rename(sentinel.folder)
    assert ask("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, 50, "abc") == [0, b"abc", 50]
    assert f"sentinel leader-epoch {NAME} 50\n" in sentinel.config_file.read_text()
    assert ask("SENTINEL", "FLUSHCONFIG") == "OK"


# ---- scripts
def script(folder: Path, name: str, last: str = "") -> Path:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/{name}.told\n{last}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_scripts_are_run_and_run_again(ask: Connection, sentinel: OurSentinel, tmp_path: Path) -> None:
    path = script(tmp_path, "notify", f"test -f {tmp_path}/fail && exit 1 || exit 0")
    assert ask("SENTINEL", "SET", NAME, "notification-script", path) == "OK"
    (tmp_path / "fail").touch()
    ask("SENTINEL", "DEBUG", "script-retry-delay", 200)
    ask("SENTINEL", "SET", NAME, "quorum", 2)
    told = tmp_path / "notify.told"
    line = f"+set master {NAME} 127.0.0.1 {sentinel.address()[1]} quorum 2\n"
    wait_until(lambda: told.exists() and told.read_text().count(line) == 2, "a second attempt")
    waiting = [pairs_of_script(one) for one in ask("SENTINEL", "PENDING-SCRIPTS")]
    assert all(one["argv"][0] == str(path).encode() for one in waiting) and waiting
    (tmp_path / "fail").unlink()
    # A busy machine may be late with the line above: each attempt until then has doubled what the next one waits for.
    wait_until(lambda: ask("SENTINEL", "PENDING-SCRIPTS") == [], "all scripts to end well", seconds=90)
    ask("SENTINEL", "SET", NAME, "notification-script", "")


def pairs_of_script(reply: list[Any]) -> dict[str, Any]:
    return {name.decode(): value for name, value in zip(reply[::2], reply[1::2], strict=True)}


def test_a_script_that_hangs_is_killed(ask: Connection, sentinel: OurSentinel, tmp_path: Path) -> None:
    path = script(tmp_path, "hangs", "sleep 100")
    ask("SENTINEL", "DEBUG", "script-max-runtime", 300, "script-retry-delay", 100_000)
    assert ask("SENTINEL", "SET", NAME, "notification-script", path) == "OK"
    ask("SENTINEL", "SET", NAME, "quorum", 2)
    sentinel.wait_for_log(f"-script-timeout {path}")
    ask("SENTINEL", "SET", NAME, "notification-script", "")
    ask("SENTINEL", "DEBUG", "script-max-runtime", 60_000)


# ---- starting
@pytest.mark.parametrize(
    ("arguments", "config", "told"),
    [
        (["--sentinel"], "sentinel monitor m 127.0.0.1\n", "at line 1\n>>> 'sentinel monitor m 127.0.0.1'\n"
                                                           "Unrecognized sentinel configuration statement.\n"),
        (["--sentinel"], "\nsentinel auth-pass m x\n", "at line 2\n>>> 'sentinel auth-pass m x'\n"
                                                       "No such master with specified name.\n"),
        ([], "sentinel monitor m 127.0.0.1 1 1\n", "sentinel directive while not in sentinel mode"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, arguments: list[str], config: str, told: str) -> None:
    server = Server(tmp_path, config=config.rstrip("\n"), arguments=arguments, start=False)
    server.start(wait=False)
    assert server.wait_exit() == 1
    assert told in server.log()


def test_a_sentinel_needs_a_file(tmp_path: Path) -> None:
    command = [*Server(tmp_path, start=False).command_line(), "--sentinel", "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "Sentinel needs config file on disk to save state. Exiting..." in done.stdout


def test_by_its_name_alone(tmp_path: Path) -> None:
    """A program whose name ends in redis-sentinel is one."""
    link = tmp_path / "redis-sentinel"
    link.symlink_to(Path(__file__).parents[2] / "remus_server.py")
    conf = tmp_path / "s.conf"
    conf.write_text("sentinel nonsense\n")
    done = subprocess.run([sys.executable, str(link), str(conf)], capture_output=True, text=True, timeout=30)
    assert "Unrecognized sentinel configuration statement." in done.stderr and done.returncode == 1


def test_hellos_of_anybody_leave_a_file_that_can_be_read(tmp_path: Path) -> None:
    with OurSentinel(tmp_path, config=f"sentinel monitor {NAME} 127.0.0.1 1 2\nsentinel resolve-hostnames yes") as one:
        with one.connect() as c:
            for ip, runid, epoch in (("127.0.0.1", b"x\nsentinel myid y", b"1"), ("127.0.0.1", b'"quoted', b"1"),
                                     ("127.0.0.2", b"#", b"1"), ("127.0.0.3", b"r" * 100_000, b"1"),
                                     ("a\nb", b"a" * 40, b"1"), ("127.0.0.4", b"a" * 40, b"9" * 30)):
                hello = b",".join((ip.encode(), b"26379", runid, epoch, NAME.encode(), b"127.0.0.1", b"1", b"0"))
                assert c("PUBLISH", "__sentinel__:hello", hello) == 1
            assert c("SENTINEL", "FLUSHCONFIG") == "OK"
            assert c("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", 1, 2**63 - 1, "a" * 40) == [0, b"*", 0]
            assert "internal_errors:0\r\n" in c("INFO").decode()
        known = sorted(each["runid"] for each in one.described("SENTINELS"))
        assert known == ['"quoted', "#"]
        one.start_again()
        assert sorted(each["runid"] for each in one.described("SENTINELS")) == known
