"""What the cron does with clients: all that changes is seen, and who rests costs next to nothing."""

from types import SimpleNamespace

import pytest

from server.clients import client as c
from server.clients.accounts import at_rest
from server.clients.client import Client
from server.clients.client_table import ClientTable
from server.clients.limits import Limits
from server.config.config import Config
from server.keyspace.database import Keyspace
from server.observe.debug_settings import settings
from server.observe.stats import Stats
from server.registry.clock import monotonic_now_us

DB = Keyspace(1).databases[0]
HZ = 1      # one tick looks at everybody


class Loop:
    """What limits ask of the loop: here a client may hold half a request."""

    def __init__(self) -> None:
        self.to_close: list[Client] = []
        self.partial: dict[Client, int] = {}
        self.output_watermark = self.stranger_watermark = 0
        self.on_group = self.on_flushed = None
        self.partial_memory = 0

    def partial_memory_of(self, client: Client) -> int:
        return self.partial.get(client, 0)

    query_memory_of = partial_memory_of

    def query_of(self, client: Client) -> tuple[int, int]:
        held = self.partial.get(client, client.query_memory)
        return held, self.partial.get(client, 0)

    def shrink_query(self, client: Client) -> None:
        client.query_memory = 0


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """With three clients that shall rest as soon as they may."""
    monkeypatch.setattr(settings, "reply_buffer_peak_reset_ms", 0)
    loop, table = Loop(), ClientTable()
    for number in range(3):
        client = Client(number, DB, loop)
        client.active_us = monotonic_now_us()
        table.add(client)
    log = SimpleNamespace(verbose=lambda *_: None, warning=lambda *_: None, notice=lambda *_: None)
    made = Limits(Config.from_argv(["x", "--timeout", "10"]), table, loop, log, Stats())
    made.loop = loop
    made.first = next(iter(table))
    return made


def test_clients_that_hold_nothing_rest_after_a_look(limits):
    assert limits.stirring == 3 and not at_rest(limits.first)
    for _ in range(3):
        limits.tick(HZ)
    assert at_rest(limits.first) and limits.stirring == 0


@pytest.mark.parametrize("stir", [
    lambda client: setattr(client, "bytes_in", client.bytes_in + 14),
    lambda client: setattr(client, "bytes_out", client.bytes_out + 7),
    lambda client: client.loop.partial.update({client: 100}),
    lambda client: setattr(client, "in_flight", 50),
    lambda client: client.set(c.CLOSE_ASAP),
])
def test_whatever_comes_or_goes_ends_it(limits, stir):
    limits.tick(HZ)
    assert at_rest(limits.first)
    stir(limits.first)
    assert not at_rest(limits.first)


def test_half_a_request_of_one_that_rested_is_accounted(limits):
    limits.tick(HZ)
    before = limits.accounts.memory_by_class["normal"]
    limits.loop.partial[limits.first] = 5000
    limits.tick(HZ)
    assert limits.accounts.memory_by_class["normal"] == before + 5000 and limits.recent_peaks()[0] == 5000
    limits.tick(HZ)
    assert limits.stirring == 1


@pytest.mark.parametrize("keep", [
    lambda client: setattr(client, "query_memory", 100),
    lambda client: client.set(c.REPLICA),
    lambda client: setattr(client, "tracking", SimpleNamespace(memory=0)),
])
def test_who_may_change_unseen_does_not_rest(limits, keep):
    keep(limits.first)
    limits.tick(HZ)
    assert not at_rest(limits.first)


def test_one_that_rests_is_closed_when_its_time_is_over(limits):
    limits.tick(HZ)
    assert at_rest(limits.first)
    limits.first.active_us -= 12 * 1000000
    limits.tick(HZ)
    assert limits.loop.to_close == [limits.first]
