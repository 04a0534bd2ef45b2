"""Types of directives: what each accepts, how it prints, and with which words it refuses."""

import pytest
from hypothesis import given, strategies as st

from server.config.process import expand_title
from server.config.special import BufferLimit
from server.config.table import BY_NAME, DIRECTIVES
from server.registry.directive import DirectiveError, Flag, format_memory, parse_memory


def parse(name: str, text: str) -> object:
    """As CONFIG SET would."""
    directive = BY_NAME[name]
    words = [text] if not directive.flags & Flag.MULTI_ARG else text.split(" ") if text else []
    return directive.parse(words, () if directive.accumulates else directive.default)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("", 0), ("100", 100), ("1b", 1), ("1k", 1000), ("1KB", 1024), ("2m", 2_000_000), ("2Mb", 2 << 20),
     ("1g", 10**9), ("3gB", 3 << 30), ("kb", 0), ("99999999999999999999999", 2**64 - 1), ("-1", None), ("1 kb", None),
     ("1tb", None), ("1.5mb", None), ("+1", None), ("5%", None)],
)
def test_memory(text: str, size: int | None) -> None:
    assert parse_memory(text) == size


@given(st.integers(0, 2**63))
def test_memory_with_units_is_read_back(size: int) -> None:
    assert parse_memory(format_memory(size)) == size


@pytest.mark.parametrize(
    ("name", "text", "printed"),
    [
        ("protected-mode", "YES", "yes"),
        ("port", "0", "0"),
        ("hz", "0", "1"),
        ("hz", "100000", "500"),
        ("maxmemory", "1gb", "1073741824"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "2mb", "2097152"),
        ("unixsocketperm", "0755", "755"),
        ("list-max-listpack-size", "-2", "-2"),
        ("loglevel", "WARNING", "warning"),
        ("oom-score-adj", "relative", "yes"),
        ("shutdown-on-sigterm", "now NOSAVE", "nosave now"),
        ("shutdown-on-sigint", "default", "default"),
        ("shutdown-on-sigint", "default force", "force"),
        ("save", "", ""),
        ("bind", "10.0.0.1 -::1", "10.0.0.1 -::1"),
        ("bind", "", ""),
        ("client-output-buffer-limit", "replica 1mb 2kb 3",
         "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"),
        ("client-output-buffer-limit", "SLAVE 1 2 3 pubsub 0 0 0", "normal 0 0 0 slave 1 2 3 pubsub 0 0 0"),
        ("oom-score-adj-values", "-2000 0 2000", "-2000 0 2000"),
        ("notify-keyspace-events", "EKA", "AKE"),
        ("notify-keyspace-events", "mnKxl", "lxnKm"),
        ("notify-keyspace-events", "An", "A"),
        ("notify-keyspace-events", "", ""),
        ("latency-tracking-info-percentiles", "50 99.9 100.0", "50 99.9 100"),
        ("latency-tracking-info-percentiles", "", ""),
        ("replicaof", "10.0.0.1 6379", "10.0.0.1 6379"),
        ("replicaof", "NO one", ""),
    ],
)
def test_accepts(name: str, text: str, printed: str) -> None:
    directive = BY_NAME[name]
    value = parse(name, text)
    assert directive.format(value) == printed
    if printed and name != "replicaof":
        assert parse(name, printed) == value or name == "notify-keyspace-events"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("protected-mode", "maybe", "argument must be 'yes' or 'no'"),
        ("port", "65536", "argument must be between 0 and 65535 inclusive"),
        ("port", " 1", "argument couldn't be parsed into an integer"),
        ("port", "01", "argument couldn't be parsed into an integer"),
        ("port", "", "argument couldn't be parsed into an integer"),
        ("timeout", "99999999999", "argument must be between 0 and 2147483647 inclusive"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxmemory", "x", "argument must be a memory value"),
        ("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("maxmemory-clients", "200%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "x%", "argument must be a memory or percent value"),
        ("unixsocketperm", "9", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm", "1000", "argument must be between 0 and 777 inclusive"),
        ("appendfsync", "often", "argument(s) must be one of the following: everysec, always, no"),
        ("shutdown-on-sigint", "", "argument(s) must be one of the following: default, save, nosave, now, force"),
        ("shutdown-on-sigint", "save nosave", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        ("dbfilename", "a/b", "dbfilename can't be a path, just a filename"),
        ("appendfilename", "", "appendfilename can't be empty"),
        *((name, "a\0b", "argument can't contain a null character") for name in (
            "dbfilename", "appendfilename", "appenddirname", "pidfile", "logfile", "unixsocket", "aclfile",
            "tls-cert-file", "metrics-bind", "cluster-config-file")),
        ("save", "1", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"),
        ("save", "1 -1", "Invalid save parameters"),
        ("save", "1  1", "Invalid save parameters"),
        ("bind", " ".join("a" * 17), "Too many bind addresses specified."),
        ("client-output-buffer-limit", "normal 0", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "master 0 0 0", "Invalid client class specified in buffer limit configuration."),
        ("client-output-buffer-limit", "normal 0 0 -1",
         "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        ("oom-score-adj-values", "1 2 2001",
         "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
        ("notify-keyspace-events", "Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("latency-tracking-info-percentiles", "x", "Invalid latency-tracking-info-percentiles parameters"),
        ("latency-tracking-info-percentiles", "101",
         "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
        ("replicaof", "host port", "Invalid master port"),
        ("replicaof", "host", "wrong number of arguments"),
        ("cluster-announce-hostname", "a_b", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
        ("cluster-announce-hostname", "a" * 256, "Hostnames must be less than 256 characters"),
        ("proc-title-template", "{nope}", "template format is invalid or contains unknown variables"),
        ("proc-title-template", "", "template format is invalid or contains unknown variables"),
    ],
)
def test_refuses(name: str, text: str, reason: str) -> None:
    with pytest.raises(DirectiveError) as caught:
        parse(name, text)
    assert str(caught.value) == reason


def test_the_classes_that_are_not_named_keep_their_limits() -> None:
    directive = BY_NAME["client-output-buffer-limit"]
    first = directive.parse(["normal", "1", "2", "3"], directive.default)
    second = directive.parse(["pubsub", "4", "5", "6"], first)
    assert second["normal"] == BufferLimit(1, 2, 3)
    assert second["pubsub"] == BufferLimit(4, 5, 6)
    assert directive.default["normal"] == BufferLimit(0, 0, 0)


@pytest.mark.parametrize("directive", DIRECTIVES, ids=lambda d: d.name)
def test_every_default_prints_as_something_that_can_be_read(directive) -> None:
    if directive.name in ("replicaof", "dir"):
        return
    text = directive.format(directive.default)
    words = (text.split(" ") if text else []) if directive.flags & Flag.MULTI_ARG else [text]
    current = () if directive.accumulates else directive.default
    assert directive.parse(words, current) == directive.default


def test_process_title() -> None:
    assert expand_title("{title} on {port} {{x} ", {"title": "a", "port": "1"}) == "a on 1 {x}"
    assert expand_title("{title", {"title": "a"}) is None
    assert expand_title("{", {}) is None
