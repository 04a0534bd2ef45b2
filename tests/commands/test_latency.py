"""LATENCY: spikes, their graph, and the distribution per command."""

import pytest

from server.observe import sparkline
from tests.support.resp import RespError


@pytest.fixture
def spiky(raw, configure):
    """A server that has seen one spike of 20 ms or more."""
    configure("latency-monitor-threshold", 5)
    raw("LATENCY", "RESET")
    raw("DEBUG", "SLEEP", "0.02")
    yield raw
    raw("LATENCY", "RESET")


def test_history_and_latest(spiky):
    [[seconds, millis]] = spiky("LATENCY", "HISTORY", "command")
    assert millis >= 20
    [[name, last, latest, worst]] = spiky("LATENCY", "LATEST")
    assert (name, last, latest, worst) == (b"command", seconds, millis, millis)
    assert spiky("LATENCY", "HISTORY", "nothing") == []


def test_graph(spiky):
    text = spiky("LATENCY", "GRAPH", "command").decode()
    assert text.startswith("command - high ")
    assert "-" * 80 in text
    assert spiky("LATENCY", "GRAPH", "nothing") == RespError("ERR No samples available for event 'nothing'")


def test_reset(spiky):
    assert spiky("LATENCY", "RESET", "nothing", "command", "command") == 1
    assert spiky("LATENCY", "LATEST") == []


def test_doctor(spiky):
    assert b"command: 1 latency spikes" in spiky("LATENCY", "DOCTOR")


def test_doctor_when_off(raw, configure):
    configure("latency-monitor-threshold", 0)
    raw("LATENCY", "RESET")
    assert b"latency-monitor-threshold" in raw("LATENCY", "DOCTOR")


def test_histogram(raw3):
    raw3("CONFIG", "RESETSTAT")
    raw3("SET", "a", 1)
    raw3("SET", "b", 1)
    raw3("CLIENT", "ID")
    found = raw3("LATENCY", "HISTOGRAM", "set", "client", "nonsense", "get")
    assert set(found) == {b"set", b"client|id"}
    assert found[b"set"][b"calls"] == 2
    bounds = found[b"set"][b"histogram_usec"]
    assert list(bounds.values())[-1] == 2
    assert list(bounds) == sorted(bounds)
    assert set(bounds) <= {1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16909}
    assert b"config|resetstat" in raw3("LATENCY", "HISTOGRAM")


def test_errors(both):
    for words in (("HISTORY",), ("HELP", "x"), ("NONE",), ("GRAPH", "x"), ("LATEST", 1)):
        both("LATENCY", *words)


def test_sparkline():
    assert sparkline.render([(0, "1s"), (11, "22m"), (5, "")]) == " # \n | \n |#\n_||\n   \n12 \ns2 \n m \n"
    assert sparkline.render([]) == ""
    assert sparkline.render([(3, "")] * 81).count("\n") == 2 * 5 + 1


def test_fast_paths_are_watched(raw, configure):
    """A plain MSET takes no way through Python, and is named all the same; the slow log has a limit of its own."""
    configure("slowlog-log-slower-than", 10_000_000)
    configure("latency-monitor-threshold", 1)
    raw("LATENCY", "RESET")
    raw("SLOWLOG", "RESET")
    raw("MSET", *(word for n in range(50_000) for word in (f"key{n}", "v")))
    assert b"command" in [event[0] for event in raw("LATENCY", "LATEST")]
    assert raw("SLOWLOG", "LEN") == 0
    configure("slowlog-log-slower-than", 100)
    configure("latency-monitor-threshold", 0)
    raw("LATENCY", "RESET")
    raw("MSET", *(word for n in range(50_000) for word in (f"key{n}", "v")))
    assert raw("LATENCY", "LATEST") == []
    assert b"MSET" in [entry[3][0] for entry in raw("SLOWLOG", "GET", -1)]  # a CONFIG SET may have been as slow


def test_eviction_is_watched(raw, configure):
    configure("latency-monitor-threshold", 1)
    raw("DEBUG", "POPULATE", 50_000)
    raw("LATENCY", "RESET")
    configure("maxmemory-eviction-tenacity", 100)     # all of it at once
    configure("maxmemory-policy", "allkeys-random")
    configure("maxmemory", "1mb")
    raw("SET", "k", "v")
    assert b"eviction-cycle" in [event[0] for event in raw("LATENCY", "LATEST")]


def test_resetting_statistics_in_the_middle_of_a_turn(raw):
    raw.pipeline([("PING",)] * 50 + [("CONFIG", "RESETSTAT")])
    most = int(raw("INFO", "debug").decode().split("eventloop_cmd_per_cycle_max:")[1].split()[0])
    assert most < 1000
