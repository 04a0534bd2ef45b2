"""Who listens to which channel, and the sending of messages."""

from collections.abc import Callable

from server.clients.client import Client

Listeners = dict[bytes, dict[Client, None]]

class Subscriptions:
    """What one client listens to. False when that is nothing."""

    channels: dict[bytes, None]
    patterns: dict[bytes, None]
    shard_channels: dict[bytes, None]

    @property
    def count(self) -> int:
        """Channels and patterns, as SUBSCRIBE and PSUBSCRIBE reply it."""

    @property
    def overhead(self) -> int:
        """Bytes it costs."""

    def __len__(self) -> int: ...

class PubSub:
    """All subscriptions of a server."""

    channels: Listeners
    patterns: Listeners
    shard_channels: Listeners
    on_key_listeners: Callable[[], object]

    def subscribe(self, client: Client, channel: bytes) -> int:
        """Listen to a channel; how many channels and patterns the client then has."""

    def psubscribe(self, client: Client, pattern: bytes) -> int:
        """Listen to every channel that matches a pattern; the same count."""

    def ssubscribe(self, client: Client, channel: bytes) -> int:
        """Listen to a shard channel; how many of those the client then has."""

    def unsubscribe(self, client: Client, channel: bytes) -> int:
        """The end of `subscribe`; harmless without one."""

    def punsubscribe(self, client: Client, pattern: bytes) -> int:
        """The end of `psubscribe`."""

    def sunsubscribe(self, client: Client, channel: bytes) -> int:
        """The end of `ssubscribe`."""

    def settle(self, client: Client) -> None:
        """After subscribing, unsubscribing or a change of protocol: enter or leave the mode that a subscriber is in."""

    def forget(self, client: Client) -> None:
        """The client is gone, or starts anew (RESET): it listens to nothing. Complexity: O(its subscriptions)."""

    def publish(self, channel: bytes, text: bytes) -> int:
        """Send to all who listen; how many messages that were. Complexity: O(subscribers + patterns)."""

    def spublish(self, channel: bytes, text: bytes) -> int:
        """Send to the subscribers of a shard channel; how many they are."""

    def of_keys(self) -> tuple[set[bytes], list[bytes]]:
        """Channels of keys that somebody listens to, and patterns that may match one, in the order of messages."""

    def subscribers(self, channel: bytes) -> int:
        """PUBSUB NUMSUB of one channel."""

    def shard_subscribers(self, channel: bytes) -> int:
        """PUBSUB SHARDNUMSUB of one channel."""

    def check(self) -> None:
        """Assert that both sides of every subscription agree."""

def may_match(pattern: bytes, beginning: bytes) -> bool:
    """Whether a channel that begins so may match, as far as the text before the first special character tells."""
