"""The states of a shutdown: at once, waiting for replicas, failed, forced, aborted."""

import signal
from types import SimpleNamespace

import pytest

from server.dispatch.shutdown import CannotStop, Shutdown
from server.registry.errors import CommandError


class Recorder:
    """Notes what it is told."""

    def __init__(self):
        self.lines = []

    def warning(self, text, *values):
        self.lines.append(text % values if values else text)

    notice = warning


class FakeClient:
    """A client that waits."""

    def __init__(self):
        self.replies = []

    def set(self, bits):
        self.blocked = True

    def has(self, bits):
        return False

    def reply(self, value):
        self.replies.append(value)

    def waited(self):
        self.blocked = False


@pytest.fixture
def server():
    server = SimpleNamespace(
        log=Recorder(),
        progress=SimpleNamespace(under_way=False),
        shutdown_signal=None,
        stopped=False,
        config=SimpleNamespace(
            shutdown_timeout=10, shutdown_on_sigint=frozenset({"nosave"}), shutdown_on_sigterm=frozenset({"default"})
        ),
        pause=SimpleNamespace(start=lambda *_: None, stop=lambda *_: None),
        process=SimpleNamespace(stopping=lambda: None),
        clients=SimpleNamespace(counts=SimpleNamespace(blocked=0)),
        loop=SimpleNamespace(resume=lambda client: None),
    )
    server.stop = lambda: setattr(server, "stopped", True)
    server.shutdown = Shutdown(server)
    return server


def failing(words):
    raise CannotStop("Error trying to save the DB")


def test_at_once(server):
    seen = []
    server.shutdown.final_steps.append(seen.append)
    assert server.shutdown.request(frozenset({"save"}))
    assert server.stopped
    assert seen == [frozenset({"save"})]


def test_failure_and_force(server):
    server.shutdown.final_steps.append(failing)
    with pytest.raises(CommandError, match="Errors trying to SHUTDOWN"):
        server.shutdown.request(frozenset(), FakeClient())
    assert not server.stopped
    assert "Error trying to save the DB, can't exit." in server.log.lines
    assert server.shutdown.request(frozenset({"force"}), FakeClient())
    assert server.stopped
    assert "Error trying to save the DB. Exit anyway." in server.log.lines


def test_waiting_until_replicas_have_caught_up(server):
    server.shutdown.lagging = lambda: True
    client = FakeClient()
    assert not server.shutdown.request(frozenset(), client)
    assert server.clients.counts.blocked == 1
    assert 0 < server.shutdown.remaining_ms() <= 10_000
    server.shutdown.tick()
    assert not server.stopped
    server.shutdown.lagging = lambda: False
    server.shutdown.tick()
    assert server.stopped


def test_now_does_not_wait(server):
    server.shutdown.lagging = lambda: True
    assert server.shutdown.request(frozenset({"now"}))


def test_abort_while_waiting(server):
    server.shutdown.lagging = lambda: True
    first, second = FakeClient(), FakeClient()
    server.shutdown.request(frozenset(), first)
    server.shutdown.request(frozenset(), second)
    assert server.shutdown.abort()
    assert server.clients.counts.blocked == 0
    assert "SHUTDOWN" in str(first.replies[0])
    assert len(second.replies) == 1
    assert not server.shutdown.waiting
    assert not server.shutdown.abort()


def test_a_client_that_leaves_is_forgotten(server):
    server.shutdown.lagging = lambda: True
    client = FakeClient()
    server.shutdown.request(frozenset(), client)
    server.shutdown.forget(client)
    server.shutdown.cancel()
    assert client.replies == []
    assert server.clients.counts.blocked == 0


def test_signals_have_their_own_words(server):
    seen = []
    server.shutdown.final_steps.append(seen.append)
    server.shutdown_signal = signal.SIGINT
    server.shutdown.tick()
    server.shutdown_signal = signal.SIGTERM
    server.shutdown.tick()
    assert seen == [frozenset({"nosave"}), frozenset()]


def test_nothing_is_saved_while_loading(server):
    seen = []
    server.shutdown.final_steps.append(seen.append)
    server.progress.under_way = True
    server.shutdown.request(frozenset({"save"}))
    assert seen == [frozenset({"nosave"})]
