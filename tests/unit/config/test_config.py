"""CONFIG GET and SET on a Config: globs, all or nothing, who is told, who refuses."""

import os

import pytest

from server.config.config import Config, ConfigSetError
from server.registry.directive import DirectiveError


@pytest.fixture
def config() -> Config:
    return Config()


def refusal(config: Config, *pairs: tuple[str, str], **options: bool) -> str:
    with pytest.raises(ConfigSetError) as caught:
        config.set(pairs, **options)
    return str(caught.value)


# ---- GET


def test_a_plain_name_comes_back_as_it_was_written(config: Config) -> None:
    assert config.get(["MaxMemory", "maxmemory", "nope"]) == {"MaxMemory": "0"}


def test_globs_find_aliases_and_pass_over_hidden_ones(config: Config) -> None:
    assert set(config.get(["SLAVE-*flush", "repl?ca-lazy-flus[g-i]"])) == {"slave-lazy-flush", "replica-lazy-flush"}
    assert config.get(["key-load*"]) == {}
    assert config.get(["key-load-delay"]) == {"key-load-delay": "0"}
    assert config.get(["watchdog-period"]) == {"watchdog-period": "0"}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("h[^a-y]", ["hz"]), ("h[^z-a]", []), ("h[z]", ["hz"]), ("h[a-z]", ["hz"]), ("[hp]z", ["hz"]),
     ("h[\\z]*", ["hz"]), ("h[z", ["hz"]),
     ("h[]", []), ("h[^]", ["hz"]), ("\\hz*", ["hz"]), ("hz?", [])],
)
def test_globs(config: Config, pattern: str, found: list[str]) -> None:
    assert list(config.get([pattern])) == found


# ---- SET


def test_several_at_once(config: Config) -> None:
    config.set([("maxmemory", "1mb"), ("SAVE", "1 2 3 4"), ("hash-max-ziplist-entries", "7")])
    assert config.maxmemory == 1 << 20
    assert config.save == ((1, 2), (3, 4))
    assert config.hash_max_listpack_entries == 7
    config.set([("save", "")])
    assert config.save == ()


def test_all_or_nothing(config: Config) -> None:
    reason = refusal(config, ("maxmemory", "10000001"), ("maxmemory-clients", "200%"), ("timeout", "x"))
    assert reason == (
        "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - "
        "percentage argument must be less or equal to 100"
    )
    assert config.maxmemory == 0


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([("nope", "1")], "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"),
        ([("daemonize", "yes")],
         "ERR CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config"),
        ([("dir", "/")], "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"),
        ([("maxmemory", "1"), ("MAXMEMORY", "2")],
         "ERR CONFIG SET failed (possibly related to argument 'MAXMEMORY') - duplicate parameter"),
        ([("daemonize", "yes"), ("nope", "1")],
         "ERR CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config"),
        ([("Port", "x")],
         "ERR CONFIG SET failed (possibly related to argument 'port') - argument couldn't be parsed into an integer"),
    ],
)
def test_refusals(config: Config, pairs: list[tuple[str, str]], text: str) -> None:
    assert refusal(config, *pairs) == text


def test_not_while_loading(config: Config) -> None:
    assert refusal(config, ("appendonly", "yes"), loading=True).startswith("LOADING ")
    config.set([("maxmemory", "1")], loading=True)


def test_io_threads_may_be_changed_while_running(config: Config) -> None:
    config.set([("io-threads", "4")])
    assert config.io_threads == 4
    assert refusal(config, ("io-threads", "129")).endswith("argument must be between 1 and 128 inclusive")


@pytest.mark.parametrize(("allowed", "local", "may"), [("no", True, False), ("local", True, True),
                                                       ("local", False, False), ("yes", False, True)])
def test_protected(config: Config, allowed: str, local: bool, may: bool) -> None:
    config.store("enable-protected-configs", allowed)
    if may:
        config.set([("dbfilename", "other.rdb")], local=local)
        assert config.dbfilename == "other.rdb"
    else:
        assert "protected" in refusal(config, ("dbfilename", "other.rdb"), local=local)


def test_dir_changes_the_directory_and_comes_back(config: Config, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = os.getcwd()
    config = Config()
    config.store("enable-protected-configs", "yes")
    (tmp_path / "a").mkdir()
    assert "No such file or directory" in refusal(config, ("dir", "nowhere"))
    assert "couldn't be parsed" in refusal(config, ("dir", "a"), ("port", "x"))
    assert os.getcwd() == here
    config.set([("dir", "a")])
    assert config.dir == os.getcwd() == os.path.join(here, "a")
    assert config.get(["dir"]) == {"dir": os.path.join(here, "a")}


def test_locale(config: Config) -> None:
    assert refusal(config, ("locale-collate", "no-such-locale")).endswith("Invalid locale name")


# ---- who is told


def test_told_after_a_change_once_for_several_directives(config: Config) -> None:
    seen: list[tuple[int, int]] = []

    def changed(config: Config) -> None:
        seen.append((config.maxmemory, config.maxmemory_samples))

    config.on_change("maxmemory", changed)
    config.on_change("maxmemory-samples", changed)
    config.set([("maxmemory", "7"), ("maxmemory-samples", "8")])
    assert seen == [(7, 8)]
    config.set([("maxmemory", "7")])
    assert seen == [(7, 8)], "nothing changed"


def test_some_directives_are_told_even_without_a_change(config: Config) -> None:
    told: list[str] = []
    for name in ("bind", "save", "tls-cert-file"):
        config.on_change(name, lambda config, name=name: told.append(name))
        config.set([(name, config.get([name])[name])])
    assert told == ["bind", "save", "tls-cert-file"]


@pytest.mark.parametrize("raises", [True, False])
def test_a_refusal_puts_everything_back(config: Config, raises: bool) -> None:
    ports: list[int] = []
    threads: list[int] = []

    def listen(config: Config) -> str | None:
        ports.append(config.port)
        if config.port == 1:
            if raises:
                raise DirectiveError("Unable to listen on this port. Check server logs.")
            return "Unable to listen on this port. Check server logs."
        return None

    def resize(config: Config) -> None:
        threads.append(config.io_threads)

    config.on_change("io-threads", resize)
    config.on_change("port", listen)
    assert refusal(config, ("io-threads", "3"), ("port", "1"), ("timeout", "9")) == (
        "ERR CONFIG SET failed (possibly related to argument 'port') - "
        "Unable to listen on this port. Check server logs."
    )
    assert (config.port, config.io_threads, config.timeout) == (6379, 1, 0)
    assert ports == [1, 6379]
    assert threads == [3, 1]


def test_what_is_not_built_is_said_once(config: Config, monkeypatch) -> None:
    monkeypatch.setattr("server.config.config.NOT_BUILT", {"tls": "TLS"})
    told: list[tuple[str, str]] = []
    config.set([("tls-ciphers", "")])
    config.set([("tls-ciphers", "A")])
    config.log_to(lambda level, text: told.append((level, text)))
    config.set([("tls-ciphers", "B")])
    assert told == [("notice", "Directive 'tls-ciphers' is accepted, but this server does not have TLS yet.")]
    assert config.tls_ciphers == "B"


def test_a_promise_that_nothing_keeps_is_refused(config: Config, monkeypatch) -> None:
    monkeypatch.setattr("server.config.table.NOT_BUILT", {"tls": "TLS"})
    config.set([("tls-port", "0"), ("tls-replication", "no")])
    for name, value in (("tls-port", "6390"), ("tls-replication", "yes"), ("TLS-CLUSTER", "yes")):
        assert refusal(config, ("timeout", "9"), (name, value)) == (
            f"ERR CONFIG SET failed (possibly related to argument '{name.lower()}') - "
            "This server does not have TLS yet, and refuses what asks for it"
        )
    assert (config.timeout, config.tls_port) == (0, 0)
    monkeypatch.setattr("server.config.table.NOT_BUILT", {})
    config.set([("tls-port", "6390")])
    assert config.tls_port == 6390


def test_passwords_are_found_wherever_they_stand(config: Config) -> None:
    assert config.sensitive_arguments(["port", "RequirePass", "nope", "masterauth"]) == [1, 3]
    config.set([("requirepass", "\udcff")])
    assert config.requirepass == b"\xff"


def test_reset_statistics(config: Config) -> None:
    called: list[int] = []
    config.on_reset_statistics(lambda: called.append(1))
    config.reset_statistics()
    assert called == [1]


def test_debug_text_shows_the_directives_of_a_crash_report(config: Config) -> None:
    assert "io-threads 1\n" in config.debug_text()
    assert "port" not in config.debug_text()


def test_every_visible_value_can_be_set_to_itself(config: Config) -> None:
    for name, value in config.get(["*"]).items():
        try:
            config.set([(name, value)])
        except ConfigSetError as error:
            assert "immutable" in str(error) or "protected" in str(error), (name, str(error))
    assert Config().get(["*"]) == config.get(["*"])
