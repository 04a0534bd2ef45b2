"""Publish and subscribe: who listens to which channel, and the sending of messages.

A message goes to the subscribers of its channel first and then, pattern by pattern, to those whose pattern matches; a
client that has both gets it twice. Shard channels are a world of their own: no patterns, and in a cluster a slot each.
Receivers get bytes that were encoded once for all RESP2 and once for all RESP3 clients: an array for the old protocol,
a push for the new one. A RESP2 client with subscriptions may only manage them (the gate `subscribed`); RESP3 knows no
such mode.

Keyspace notifications are messages of the same kind (clients.key_events).
"""

from collections.abc import Callable

from server.clients.client import SUBSCRIBED, Client
from server.clients.fan_out import send_to
from server.registry.light import Any
from server.structures.glob import match

SUBSCRIPTIONS_BYTES = 500      # of the first subscription, for tot-mem: measured, like the next
SUBSCRIPTION_OVERHEAD = 180    # bytes per channel or pattern, its name and its place among the listeners
_OF_KEYS = (b"__keyspace@", b"__keyevent@")     # what the channels of keyspace notifications begin with
_SPECIAL = b"*?[\\"
Listeners = dict[bytes, dict[Client, None]]


class Subscriptions:
    """What one client listens to. False when that is nothing."""

    __slots__ = ("channels", "patterns", "shard_channels")

    def __init__(self) -> None:
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}

    @property
    def count(self) -> int:
        """Channels and patterns, as SUBSCRIBE and PSUBSCRIBE reply it."""
        return len(self.channels) + len(self.patterns)

    def __len__(self) -> int:
        return self.count + len(self.shard_channels)

    @property
    def overhead(self) -> int:
        """Bytes it costs."""
        return SUBSCRIPTIONS_BYTES + SUBSCRIPTION_OVERHEAD * len(self)


class PubSub:
    """All subscriptions of a server."""

    def __init__(self) -> None:
        self.channels: Listeners = {}
        self.patterns: Listeners = {}
        self.shard_channels: Listeners = {}
        self._of_keys = 0       # channels and patterns by which keyspace notifications may be heard
        self.on_key_listeners: Callable[[], object] = int          # told when one comes or goes

    # ---- one client
    def subscribe(self, client: Client, channel: bytes) -> int:
        """Listen to a channel; how many channels and patterns the client then has."""
        mine = self._subscriptions(client)
        new = channel not in self.channels
        _join(self.channels, mine.channels, client, channel)
        if new and _is_of_keys(channel):
            self._count_of_keys(1)
        return mine.count

    def psubscribe(self, client: Client, pattern: bytes) -> int:
        """Listen to every channel that matches a pattern; the same count."""
        mine = self._subscriptions(client)
        new = pattern not in self.patterns
        _join(self.patterns, mine.patterns, client, pattern)
        if new and _may_match_keys(pattern):
            self._count_of_keys(1)
        return mine.count

    def ssubscribe(self, client: Client, channel: bytes) -> int:
        """Listen to a shard channel; how many of those the client then has."""
        mine = self._subscriptions(client)
        _join(self.shard_channels, mine.shard_channels, client, channel)
        return len(mine.shard_channels)

    def unsubscribe(self, client: Client, channel: bytes) -> int:
        """The end of `subscribe`; harmless without one."""
        if client.subscriptions is None:
            return 0
        if _part(self.channels, client.subscriptions.channels, client, channel) and _is_of_keys(channel):
            self._count_of_keys(-1)
        return client.subscriptions.count

    def punsubscribe(self, client: Client, pattern: bytes) -> int:
        """The end of `psubscribe`."""
        if client.subscriptions is None:
            return 0
        if _part(self.patterns, client.subscriptions.patterns, client, pattern) and _may_match_keys(pattern):
            self._count_of_keys(-1)
        return client.subscriptions.count

    def sunsubscribe(self, client: Client, channel: bytes) -> int:
        """The end of `ssubscribe`."""
        if client.subscriptions is None:
            return 0
        _part(self.shard_channels, client.subscriptions.shard_channels, client, channel)
        return len(client.subscriptions.shard_channels)

    def _count_of_keys(self, by: int) -> None:
        self._of_keys += by
        self.on_key_listeners()

    def _subscriptions(self, client: Client) -> Subscriptions:
        if client.subscriptions is None:
            client.subscriptions = Subscriptions()
        return client.subscriptions

    def settle(self, client: Client) -> None:
        """After subscribing, unsubscribing or a change of protocol: enter or leave the mode that a subscriber is in."""
        if client.subscriptions is not None and not client.subscriptions:
            client.subscriptions = None
        client.slow_because(SUBSCRIBED, client.resp == 2 and client.subscriptions is not None)

    def forget(self, client: Client) -> None:
        """The client is gone, or starts anew (RESET): it listens to nothing. Complexity: O(its subscriptions)."""
        mine = client.subscriptions
        if mine is None:
            return
        for channel in list(mine.channels):
            self.unsubscribe(client, channel)
        for pattern in list(mine.patterns):
            self.punsubscribe(client, pattern)
        for channel in list(mine.shard_channels):
            self.sunsubscribe(client, channel)
        self.settle(client)

    # ---- sending
    def publish(self, channel: bytes, text: bytes) -> int:
        """Send to all who listen; how many messages that were. Complexity: O(subscribers + patterns)."""
        receivers = 0
        if subscribers := self.channels.get(channel):
            receivers = send_to(subscribers, b"message", channel, text)
        for pattern, subscribers in self.patterns.items():
            if match(pattern, channel):
                receivers += send_to(subscribers, b"pmessage", pattern, channel, text)
        return receivers

    def spublish(self, channel: bytes, text: bytes) -> int:
        """Send to the subscribers of a shard channel; how many they are."""
        subscribers = self.shard_channels.get(channel)
        return send_to(subscribers, b"smessage", channel, text) if subscribers else 0

    # ---- looking
    def of_keys(self) -> tuple[set[bytes], list[bytes]]:
        """Channels of keys that somebody listens to, and patterns that may match one, in the order of messages."""
        if not self._of_keys:
            return set(), []
        return set(filter(_is_of_keys, self.channels)), list(filter(_may_match_keys, self.patterns))

    def subscribers(self, channel: bytes) -> int:
        """PUBSUB NUMSUB of one channel."""
        return len(self.channels.get(channel, ()))

    def shard_subscribers(self, channel: bytes) -> int:
        """PUBSUB SHARDNUMSUB of one channel."""
        return len(self.shard_channels.get(channel, ()))

    def check(self) -> None:
        """Assert that both sides of every subscription agree."""
        for listeners, own in ((self.channels, "channels"), (self.patterns, "patterns"),
                               (self.shard_channels, "shard_channels")):
            for name, clients in listeners.items():
                assert clients, f"{name!r} is listed without a listener"
                for client in clients:
                    assert name in getattr(client.subscriptions, own), f"{name!r}: the client does not know"
        assert self._of_keys == sum(map(_is_of_keys, self.channels)) + sum(map(_may_match_keys, self.patterns))


def _join(listeners: Listeners, mine: dict[bytes, None], client: Client, name: bytes) -> None:
    mine[name] = None
    listeners.setdefault(name, {})[client] = None


def _part(listeners: Listeners, mine: dict[bytes, None], client: Client, name: bytes) -> bool:
    """True: it was the last that listened to this name."""
    if name not in mine:
        return False
    del mine[name]
    clients = listeners[name]
    del clients[client]
    if not clients:
        del listeners[name]
    return not clients


def _is_of_keys(channel: bytes) -> bool:
    return channel.startswith(_OF_KEYS)


def _may_match_keys(pattern: bytes) -> bool:
    return any(may_match(pattern, beginning) for beginning in _OF_KEYS)


def may_match(pattern: bytes, beginning: bytes) -> bool:
    """Whether a channel that begins so may match, as far as the text before the first special character tells."""
    plain = pattern[:next((at for at, byte in enumerate(pattern) if byte in _SPECIAL), None)]
    return plain.startswith(beginning) or beginning.startswith(plain)


def matching(names: dict[bytes, Any], pattern: bytes | None) -> list[bytes]:
    """The names that match a glob pattern; all of them without one. Complexity: O(N)."""
    return [name for name in names if pattern is None or match(pattern, name)]
