"""CLUSTER: what an operator changes. The rules are `server.cluster.operator`'s; looking is `cluster_nodes`."""

from collections.abc import Sequence

from server.cluster.slots import COUNT
from server.config.cluster import BUS_PORT_OFFSET
from server.dispatch.call import Call
from server.dispatch.node import node_of, text, wall_ms
from server.registry import args
from server.registry.command import ADMIN, LOADING, NO_ASYNC_LOADING, NOSCRIPT, STALE, container, group
from server.registry.errors import CommandError, named, syntax, wrong_arity, wrong_subcommand
from server.registry.reply import OK

command = group("cluster")
container("CLUSTER", "cluster", "The cluster that this server is a node of.", since="3.0.0")

_CHANGES = NO_ASYNC_LOADING | ADMIN | STALE


def _slot(word: bytes) -> int:
    return args.integer_in(word, 0, COUNT - 1, "ERR Invalid or out of range slot")


def _spans(words: Sequence[bytes]) -> list[tuple[int, int]]:
    """First and last slot, first and last slot..."""
    spans = [(_slot(first), _slot(last)) for first, last in zip(words[::2], words[1::2], strict=True)]
    for first, last in spans:
        if first > last:
            raise CommandError(f"ERR start slot number {first} is greater than end slot number {last}")
    return spans


# ---- nodes
@command("CLUSTER|MEET", arity=-4, flags=_CHANGES, since="3.0.0", syntax="ip port [cluster-bus-port]",
         history=(("4.0.0", "The bus port may be given."),))
def cluster_meet(call: Call, ip: bytes, port: bytes, *bus_port: bytes) -> str:
    """Let the node there and its cluster be one with ours.

    Complexity: O(1)
    """
    node = node_of(call)
    if len(bus_port) > 1:
        raise wrong_subcommand(call.argv)
    number = args.parse_integer(port)
    if number is None:
        raise named(b"ERR Invalid base port specified: %s", port)
    bus = args.parse_integer(bus_port[0]) if bus_port else number + BUS_PORT_OFFSET
    if bus is None:
        raise named(b"ERR Invalid bus port specified: %s", bus_port[0])
    node.protocol.operator.meet(text(ip), number, bus, wall_ms())
    node.asked()
    return OK


@command("CLUSTER|FORGET", arity=3, flags=_CHANGES, since="3.0.0", syntax="node-id")
def cluster_forget(call: Call, name: bytes) -> str:
    """Know a node no more, and not believe others who tell of it for a minute.

    Complexity: O(1)
    """
    node = node_of(call)
    node.protocol.operator.forget(text(name), wall_ms())
    node.asked()
    return OK


@command("CLUSTER|REPLICATE", arity=3, flags=_CHANGES, since="3.0.0", syntax="node-id")
def cluster_replicate(call: Call, name: bytes) -> str:
    """Become a replica of a master.

    Complexity: O(1)
    """
    node = node_of(call)
    node.protocol.operator.replicate(text(name))
    node.asked()
    return OK


@command("CLUSTER|FAILOVER", arity=-2, flags=_CHANGES, since="3.0.0", syntax="[FORCE | TAKEOVER]")
def cluster_failover(call: Call, *how: bytes) -> str:
    """Take the place of our master: with its help, without it (FORCE), or without asking anybody (TAKEOVER).

    Complexity: O(1)
    """
    node = node_of(call)
    if len(how) > 1:
        raise wrong_subcommand(call.argv)
    word = how[0].lower() if how else b""
    if word not in (b"", b"force", b"takeover"):
        raise syntax()
    node.protocol.operator.failover(wall_ms(), force=word == b"force", takeover=word == b"takeover")
    node.asked()
    return OK


@command("CLUSTER|RESET", arity=-2, flags=ADMIN | STALE | NOSCRIPT, since="3.0.0", syntax="[HARD | SOFT]")
def cluster_reset(call: Call, *how: bytes) -> str:
    """Know nobody and serve nothing, as a fresh node; HARD: under another name.

    Complexity: O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.
    """
    node = node_of(call)
    if len(how) > 1:
        raise wrong_subcommand(call.argv)
    word = how[0].lower() if how else b"soft"
    if word not in (b"hard", b"soft"):
        raise syntax()
    node.protocol.operator.reset(hard=word == b"hard")
    node.asked()
    return OK


# ---- slots
@command("CLUSTER|ADDSLOTS", arity=-3, flags=_CHANGES, since="3.0.0", syntax="slot [slot ...]")
def cluster_addslots(call: Call, *words: bytes) -> str:
    """Serve slots that nobody serves.

    Complexity: O(N) where N is the total number of hash slot arguments
    """
    node = node_of(call)
    node.protocol.operator.add_slots([(slot, slot) for slot in map(_slot, words)])
    node.asked()
    return OK


@command("CLUSTER|ADDSLOTSRANGE", arity=-4, flags=_CHANGES, since="7.0.0",
         syntax="start-slot end-slot [start-slot end-slot ...]")
def cluster_addslotsrange(call: Call, *words: bytes) -> str:
    """Serve ranges of slots that nobody serves.

    Complexity: O(N) where N is the total number of the slots between the start slot and end slot arguments.
    """
    node = node_of(call)
    if len(words) % 2:
        raise wrong_arity(call.command.name)
    node.protocol.operator.add_slots(_spans(words))
    node.asked()
    return OK


@command("CLUSTER|DELSLOTS", arity=-3, flags=_CHANGES, since="3.0.0", syntax="slot [slot ...]")
def cluster_delslots(call: Call, *words: bytes) -> str:
    """Think of slots as nobody's.

    Complexity: O(N) where N is the total number of hash slot arguments
    """
    node = node_of(call)
    node.protocol.operator.delete_slots([(slot, slot) for slot in map(_slot, words)])
    node.asked()
    return OK


@command("CLUSTER|DELSLOTSRANGE", arity=-4, flags=_CHANGES, since="7.0.0",
         syntax="start-slot end-slot [start-slot end-slot ...]")
def cluster_delslotsrange(call: Call, *words: bytes) -> str:
    """Think of ranges of slots as nobody's.

    Complexity: O(N) where N is the total number of the slots between the start slot and end slot arguments.
    """
    node = node_of(call)
    if len(words) % 2:
        raise wrong_arity(call.command.name)
    node.protocol.operator.delete_slots(_spans(words))
    node.asked()
    return OK


@command("CLUSTER|FLUSHSLOTS", arity=2, flags=_CHANGES, since="3.0.0")
def cluster_flushslots(call: Call) -> str:
    """Serve no slot any more, which an empty node may.

    Complexity: O(1)
    """
    node = node_of(call)
    node.protocol.operator.flush_slots()
    node.asked()
    return OK


@command("CLUSTER|SETSLOT", arity=-4, flags=_CHANGES, since="3.0.0",
         syntax="slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>")
def cluster_setslot(call: Call, slot: bytes, how: bytes, *name: bytes) -> str:
    """Say that a slot is on its way to or from another node, that it is not, or whose it is now.

    Complexity: O(1)
    """
    node = node_of(call)
    operator = node.protocol.operator
    operator.may_set_slots()
    number, word = _slot(slot), how.lower()
    if word == b"stable" and not name:
        operator.stable(number)
    elif word == b"migrating" and len(name) == 1:
        operator.migrating(number, text(name[0]))
    elif word == b"importing" and len(name) == 1:
        operator.importing(number, text(name[0]))
    elif word == b"node" and len(name) == 1:
        operator.set_owner(number, text(name[0]), wall_ms())
    else:
        raise CommandError("ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP")
    node.asked()
    return OK


# ---- epochs, the file
@command("CLUSTER|BUMPEPOCH", arity=2, flags=_CHANGES, since="3.0.0", tips=("nondeterministic_output",))
def cluster_bumpepoch(call: Call) -> str:
    """Take a config epoch greater than all others.

    Complexity: O(1)
    """
    node = node_of(call)
    status = node.protocol.operator.bump_epoch()
    node.asked()
    return status


@command("CLUSTER|SET-CONFIG-EPOCH", arity=3, flags=_CHANGES, since="3.0.0", syntax="config-epoch")
def cluster_set_config_epoch(call: Call, epoch: bytes) -> str:
    """Give a fresh node its config epoch.

    Complexity: O(1)
    """
    node = node_of(call)
    node.protocol.operator.set_config_epoch(args.integer(epoch))
    node.asked()
    return OK


@command("CLUSTER|SAVECONFIG", arity=2, flags=_CHANGES, since="3.0.0")
def cluster_saveconfig(call: Call) -> str:
    """Write nodes.conf.

    Complexity: O(1)
    """
    try:
        node_of(call).save()
    except OSError as error:
        raise CommandError(f"ERR error saving the cluster node config: {error.strerror}") from None
    return OK


@command("CLUSTER|HELP", arity=2, flags=LOADING | STALE, since="5.0.0")
def cluster_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    node_of(call)
    lines = ["CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    parent = call.command.parent
    assert parent is not None
    for name, entry in sorted(parent.subcommands.items()):
        if name != "help":
            lines += [f"{name.upper()} {entry.syntax}".rstrip(), f"    {entry.summary}"]
    return [*lines, "HELP", "    Print this help."]
