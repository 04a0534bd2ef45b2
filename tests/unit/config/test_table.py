"""The table against what is promised of it, and redis.conf against the table."""

import re
from pathlib import Path

from server.config import metrics
from server.config.command_line import usage
from server.config.config import Config
from server.config.table import BY_NAME, DIRECTIVES, FILE_STATEMENTS, NOT_BUILT, missing_parts
from server.registry.directive import Flag
from server.registry.quoting import split_args

REDIS_CONF = Path(__file__).resolve().parents[3] / "redis.conf"
SHIPPED = {"bind": "127.0.0.1 -::1", "dir": "./", "pidfile": "/var/run/redis_6379.pid"}  # not the defaults
ACTIVE_IN_REDIS = {"bind", "protected-mode", "port", "tcp-backlog", "timeout", "daemonize", "dir", "appendonly", "hz"}


OURS = {                    # directives that Redis 7.2 does not have
    "replica-refuse-empty-master",
    "dual-channel-replication-enabled",
    "cluster-slot-migration-log-max-len", "cluster-slot-stats-enabled", "slot-migration-max-failover-repl-bytes",
    "rdb-version",
    "io-threads-always-active",
    "tls-auto-reload-interval",
    *(directive.name for directive in metrics.DIRECTIVES),
}


def test_counts_of_redis_7_2() -> None:
    assert len(DIRECTIVES) == 185 + len(OURS)
    assert len(BY_NAME) == 185 + 19 + len(OURS)
    assert len([d for d in DIRECTIVES if d.flags & Flag.HIDDEN]) == 9
    assert len(Config().get(["*"])) == 195 + len(OURS)


def test_each_is_declared_once_and_explained() -> None:
    assert len({d.name for d in DIRECTIVES}) == len(DIRECTIVES)
    for directive in DIRECTIVES:
        assert directive.name == directive.name.lower()
        assert directive.summary.endswith("."), directive.name
        assert len(directive.summary) < 120, directive.name


def test_parts_that_are_missing_are_parts_that_exist() -> None:
    parts = {d.part for d in (*DIRECTIVES, *FILE_STATEMENTS.values())} - {""}
    assert parts >= NOT_BUILT.keys()


def test_what_a_server_promises_by_which_part() -> None:
    promises = {d.name: d.part for d in DIRECTIVES if d.promise}
    assert promises == {
        "cluster-enabled": "cluster", "socket-mark-id": "socket marks",
        "tls-cluster": "tls", "tls-port": "tls", "tls-replication": "tls",
    }
    assert {s.name: s.part for s in FILE_STATEMENTS.values() if s.part} == {"loadmodule": "modules"}


def test_no_directive_hides_an_attribute_of_config() -> None:
    names = {d.attribute for d in DIRECTIVES}
    assert not names & set(dir(Config))
    other = {name for name in vars(Config()) if name not in names}
    assert len(vars(Config())) == len(names) + len(other)


def test_every_directive_is_an_attribute() -> None:
    config = Config()
    for directive in DIRECTIVES:
        if directive.name != "dir":
            assert getattr(config, directive.attribute) == directive.default


def directive_lines() -> list[tuple[str, list[str], bool]]:
    """(name, values, whether it is in force) for every directive that redis.conf shows."""
    found = []
    for line in REDIS_CONF.read_text().splitlines():
        match = re.fullmatch(r"(# )?([a-z][a-z0-9_-]*)( .*)?", line)
        if match and match[2] in BY_NAME:
            words = split_args(line.removeprefix("# "))
            assert words, line
            found.append((match[2], words[1:], not match[1]))
    return found


def test_redis_conf_shows_every_directive_with_its_default() -> None:
    config = Config()
    shown: dict[str, object] = {}
    for name, words, active in directive_lines():
        directive = BY_NAME[name]
        assert directive.name == name, f"{name} is an alias"
        assert name not in shown or name == "client-output-buffer-limit", f"{name} is shown twice"
        if name in SHIPPED:
            assert active and " ".join(words) == SHIPPED[name]
            shown[name] = directive.default
            continue
        first = name not in shown
        current = () if directive.accumulates and first else shown.get(name, directive.default)
        shown[name] = directive.parse(words, current)
    visible = {d.name: d.default for d in DIRECTIVES if not d.flags & Flag.HIDDEN}
    assert set(shown) == set(visible)
    assert {n: v for n, v in shown.items() if v != visible[n]} == {}
    assert config.get(["nothing"]) == {}


def test_redis_conf_says_what_the_server_does_not_start_with() -> None:
    text = REDIS_CONF.read_text()
    blocks = [block.splitlines() for block in text.split("\n\n")]
    said = {
        block[-1].removeprefix("# ").split(" ")[0]
        for block in blocks
        if "# (not built yet: the server does not start with it)" in block
    }
    assert said == {d.name for d in DIRECTIVES if d.promise and d.part in NOT_BUILT}
    for part, words in (("replication", "Replication is"), ("cluster", "Redis Cluster is")):
        assert (f"\n# {words} not built yet: the server does not start" in text) == (part in NOT_BUILT)


def test_help_says_it_too() -> None:
    assert missing_parts() == [NOT_BUILT[part] for part in NOT_BUILT if part in
                               {"acl", "cluster", "modules", "sentinel", "socket marks"}]
    for name in missing_parts():
        assert f"\n  {name}\n" in usage().partition("Not built yet")[2]


def test_redis_conf_puts_the_usual_ones_in_force() -> None:
    active = {name for name, _, active in directive_lines() if active}
    assert active >= ACTIVE_IN_REDIS
    assert "save" not in active and "requirepass" not in active


def test_redis_conf_can_be_read(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config.from_argv(["remus-server", str(REDIS_CONF)])
    assert isinstance(config, Config)
    assert config.bind == ("127.0.0.1", "-::1")
    assert config.port == 6379
    told: list[str] = []
    config.log_to(lambda level, text: told.append(text))
    assert told == []
