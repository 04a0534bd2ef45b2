"""Publish and subscribe: SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their ends, PUBLISH, SPUBLISH, PUBSUB.

Each channel named gets a reply of its own: a push for RESP3, an array for RESP2. They are sent even when CLIENT REPLY
keeps other replies back. The bookkeeping is server.clients.pubsub.
"""

from collections.abc import Callable, Iterable

from server.clients.client import DENY_BLOCKING, MULTI, REPLY_OFF, REPLY_SKIP
from server.dispatch.call import Call
from server.registry.command import FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, SENTINEL, STALE, container, group
from server.registry.errors import CommandError, wrong_subcommand
from server.registry.keys import NOT_KEY, Channels, every_key, one_key
from server.registry.reply import NO_REPLY, NoReply, Push, Several
from server.structures.glob import match

command = group("pubsub")
container("PUBSUB", "pubsub", "What is subscribed to, and by how many.", since="2.8.0")

_LISTENING = PUBSUB | NOSCRIPT | LOADING | STALE
_SENDING = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE
_LOOKING = PUBSUB | LOADING | STALE


def _answer(call: Call, pushes: list[Push]) -> Several | NoReply:
    """One reply per channel, whatever CLIENT REPLY says."""
    call.server.pubsub.settle(call.client)
    if not call.client.has(REPLY_OFF | REPLY_SKIP):
        return Several(pushes)
    for push in pushes:
        call.client.push(push)
    return NO_REPLY


def _start(call: Call, kind: bytes, names: Iterable[bytes], subscribe: Callable[..., int]) -> Several | NoReply:
    return _answer(call, [Push(kind, name, subscribe(call.client, name)) for name in names])


def _end(call: Call, kind: bytes, names: Iterable[bytes], unsubscribe: Callable[..., int],
         left: int) -> Several | NoReply:
    """`left` is the count to tell when there is nothing to unsubscribe from."""
    pushes = [Push(kind, name, unsubscribe(call.client, name)) for name in names]
    return _answer(call, pushes or [Push(kind, None, left)])


def _refuse_if_one_reply_is_expected(call: Call, name: str) -> None:
    """A script's client cannot listen. In MULTI it always could, and still can."""
    if call.client.has(DENY_BLOCKING) and not call.client.has(MULTI):
        raise CommandError(f"ERR {name} isn't allowed for a DENY BLOCKING client")


# ---- listening
@command("SUBSCRIBE", arity=-2, flags=_LISTENING | SENTINEL, channels=Channels(), since="2.0.0",
         syntax="channel [channel ...]")
def subscribe(call: Call, *channels: bytes) -> Several | NoReply:
    """Listen to channels.

    Complexity: O(N) where N is the number of channels.
    """
    _refuse_if_one_reply_is_expected(call, "SUBSCRIBE")
    return _start(call, b"subscribe", channels, call.server.pubsub.subscribe)


@command("UNSUBSCRIBE", arity=-1, flags=_LISTENING | SENTINEL, since="2.0.0", syntax="[channel [channel ...]]")
def unsubscribe(call: Call, *channels: bytes) -> Several | NoReply:
    """Stop listening to channels, to all of them when none is named.

    Complexity: O(N) where N is the number of channels.
    """
    mine = call.client.subscriptions
    names = channels or (list(mine.channels) if mine else [])
    return _end(call, b"unsubscribe", names, call.server.pubsub.unsubscribe, mine.count if mine else 0)


@command("PSUBSCRIBE", arity=-2, flags=_LISTENING | SENTINEL, channels=Channels(patterns=True), since="2.0.0",
         syntax="pattern [pattern ...]")
def psubscribe(call: Call, *patterns: bytes) -> Several | NoReply:
    """Listen to every channel that matches one of the glob-style patterns.

    Complexity: O(N) where N is the number of patterns.
    """
    _refuse_if_one_reply_is_expected(call, "PSUBSCRIBE")
    return _start(call, b"psubscribe", patterns, call.server.pubsub.psubscribe)


@command("PUNSUBSCRIBE", arity=-1, flags=_LISTENING | SENTINEL, since="2.0.0", syntax="[pattern [pattern ...]]")
def punsubscribe(call: Call, *patterns: bytes) -> Several | NoReply:
    """Stop listening to patterns, to all of them when none is named.

    Complexity: O(N) where N is the number of patterns.
    """
    mine = call.client.subscriptions
    names = patterns or (list(mine.patterns) if mine else [])
    return _end(call, b"punsubscribe", names, call.server.pubsub.punsubscribe, mine.count if mine else 0)


@command("SSUBSCRIBE", arity=-2, flags=_LISTENING, keys=every_key(NOT_KEY), channels=Channels(), since="7.0.0",
         syntax="shardchannel [shardchannel ...]")
def ssubscribe(call: Call, *channels: bytes) -> Several | NoReply:
    """Listen to shard channels, which live on the cluster node that owns their slot.

    Complexity: O(N) where N is the number of channels.
    """
    if call.client.has(DENY_BLOCKING):
        raise CommandError("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    return _start(call, b"ssubscribe", channels, call.server.pubsub.ssubscribe)


@command("SUNSUBSCRIBE", arity=-1, flags=_LISTENING, keys=every_key(NOT_KEY), since="7.0.0",
         syntax="[shardchannel [shardchannel ...]]")
def sunsubscribe(call: Call, *channels: bytes) -> Several | NoReply:
    """Stop listening to shard channels, to all of them when none is named.

    Complexity: O(N) where N is the number of channels.
    """
    mine = call.client.subscriptions
    names = channels or (list(mine.shard_channels) if mine else [])
    return _end(call, b"sunsubscribe", names, call.server.pubsub.sunsubscribe, len(mine.shard_channels) if mine else 0)


# ---- sending
def _pass_on(call: Call, channel: bytes, message: bytes, *, sharded: bool = False) -> None:
    """To our replicas; in a cluster by the bus, on which replicas are, too."""
    if call.server.cluster is not None:
        call.server.cluster.publish(channel, message, sharded=sharded)
    else:
        call.server.propagation.to_replicas(call.db, call.argv)


@command("PUBLISH", arity=3, flags=_SENDING | SENTINEL, channels=Channels(last=1), since="2.0.0",
         syntax="channel message")
def publish(call: Call, channel: bytes, message: bytes) -> int:
    """Send a message to a channel; the reply is how many clients got it here.

    Complexity: O(N+M) where N is the number of subscribers of the channel and M the number of patterns subscribed to.
    """
    receivers = call.server.pubsub.publish(channel, message)
    _pass_on(call, channel, message)
    return receivers


@command("SPUBLISH", arity=3, flags=_SENDING, keys=one_key(NOT_KEY), channels=Channels(last=1), since="7.0.0",
         syntax="shardchannel message")
def spublish(call: Call, channel: bytes, message: bytes) -> int:
    """Send a message to a shard channel; the reply is how many clients got it here.

    Complexity: O(N) where N is the number of subscribers of the channel.
    """
    receivers = call.server.pubsub.spublish(channel, message)
    _pass_on(call, channel, message, sharded=True)
    return receivers


# ---- looking
@command("PUBSUB|CHANNELS", arity=-2, flags=_LOOKING, since="2.8.0", syntax="[pattern]")
def pubsub_channels(call: Call, *pattern: bytes) -> list[bytes]:
    """List the channels that somebody listens to, or those of them that match a pattern.

    Complexity: O(N) where N is the number of channels.
    """
    return _matching(call, call.server.pubsub.channels, pattern)


@command("PUBSUB|SHARDCHANNELS", arity=-2, flags=_LOOKING, since="7.0.0", syntax="[pattern]")
def pubsub_shardchannels(call: Call, *pattern: bytes) -> list[bytes]:
    """List the shard channels that somebody listens to, or those of them that match a pattern.

    Complexity: O(N) where N is the number of shard channels.
    """
    return _matching(call, call.server.pubsub.shard_channels, pattern)


def _matching(call: Call, names: Iterable[bytes], pattern: tuple[bytes, ...]) -> list[bytes]:
    if len(pattern) > 1:
        raise wrong_subcommand(call.argv)
    return [name for name in names if not pattern or match(pattern[0], name)]


@command("PUBSUB|NUMPAT", arity=2, flags=_LOOKING, since="2.8.0")
def pubsub_numpat(call: Call) -> int:
    """Tell how many different patterns are subscribed to.

    Complexity: O(1)
    """
    return len(call.server.pubsub.patterns)


@command("PUBSUB|NUMSUB", arity=-2, flags=_LOOKING, since="2.8.0", syntax="[channel [channel ...]]")
def pubsub_numsub(call: Call, *channels: bytes) -> list[bytes | int]:
    """Tell for each channel how many listen to it, patterns aside.

    Complexity: O(N) where N is the number of channels named.
    """
    return [part for name in channels for part in (name, call.server.pubsub.subscribers(name))]


@command("PUBSUB|SHARDNUMSUB", arity=-2, flags=_LOOKING, since="7.0.0", syntax="[shardchannel [shardchannel ...]]")
def pubsub_shardnumsub(call: Call, *channels: bytes) -> list[bytes | int]:
    """Tell for each shard channel how many listen to it.

    Complexity: O(N) where N is the number of channels named.
    """
    return [part for name in channels for part in (name, call.server.pubsub.shard_subscribers(name))]


@command("PUBSUB|HELP", arity=2, flags=LOADING | STALE, since="6.2.0")
def pubsub_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return _HELP.splitlines()


_HELP = """\
PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CHANNELS [<pattern>]
    Return the currently active channels matching a <pattern> (default: '*').
NUMPAT
    Return number of subscriptions to patterns.
NUMSUB [<channel> ...]
    Return the number of subscribers for the specified channels, excluding
    pattern subscriptions(default: no channels).
SHARDCHANNELS [<pattern>]
    Return the currently active shard level channels matching a <pattern> (default: '*').
SHARDNUMSUB [<shardchannel> ...]
    Return the number of subscribers for the specified shard level channel(s)
HELP
    Print this help."""
