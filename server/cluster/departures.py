"""Who is told when slots have another owner, or the cluster stops serving: clients that wait for keys there, and
subscribers of shard channels there. (Their keys go by `dropping`.)
"""

from collections.abc import Callable, Iterable

from server.clients import client as c
from server.clients.client import Client
from server.clients.pubsub import PubSub
from server.cluster.redirects import Question, Redirects
from server.registry.command import WRITE
from server.registry.reply import Push
from server.structures.crc16 import hash_slot


def tell_blocked(clients: Iterable[Client], redirects: Redirects, by_tls: Callable[[Client], bool]) -> None:
    """Who waits for a key that is not ours any more, or at all once the cluster is down, gets the error that the
    command would get now, and goes on. by_tls(client): whether it came by TLS. Complexity: O(clients)."""
    for client in list(clients):
        blocked = client.blocked
        if blocked is None or not blocked.keys:
            continue
        why = redirects.lost_for(Question(
            blocked.keys, writes=blocked.command.has(WRITE), reads_replica=client.has(c.READONLY),
            tls=by_tls(client)))
        if why is not None:
            blocked.fail(why)


def tell_subscribers(pubsub: PubSub, slots: int) -> None:
    """Nobody listens to shard channels of these slots (a set, `cluster.slots`) any more, and who did is told so.
    Complexity: O(shard channels + their subscribers)."""
    for channel in [channel for channel in pubsub.shard_channels if slots >> hash_slot(channel) & 1]:
        for client in list(pubsub.shard_channels[channel]):
            client.push(Push(b"sunsubscribe", channel, pubsub.sunsubscribe(client, channel)))
            pubsub.settle(client)
