"""Instances, timings and scripts as SENTINEL shows them: maps of words, with numbers as words, too."""

from collections.abc import Iterable, Iterator
from dataclasses import fields

from server.registry.light import Any
from server.registry.reply import Pairs
from server.sentinel.instance import (
    FAILOVER_IN_PROGRESS,
    FORCE_FAILOVER,
    MASTER,
    MASTER_DOWN,
    MASTER_REBOOT,
    O_DOWN,
    PROMOTED,
    RECONF_DONE,
    RECONF_INPROG,
    RECONF_SENT,
    REPLICA,
    S_DOWN,
    SCRIPT_KILL_SENT,
    SENTINEL,
    STATE_NAMES,
    Instance,
    Master,
)
from server.sentinel.scripts import Job
from server.sentinel.state import State
from server.sentinel.words import bytes_of

FLAG_NAMES = (
    (S_DOWN, "s_down"), (O_DOWN, "o_down"), (MASTER, "master"), (REPLICA, "slave"), (SENTINEL, "sentinel"),
    (0, "disconnected"), (MASTER_DOWN, "master_down"), (FAILOVER_IN_PROGRESS, "failover_in_progress"),
    (PROMOTED, "promoted"), (RECONF_SENT, "reconf_sent"), (RECONF_INPROG, "reconf_inprog"),
    (RECONF_DONE, "reconf_done"), (FORCE_FAILOVER, "force_failover"), (SCRIPT_KILL_SENT, "script_kill_sent"),
    (MASTER_REBOOT, "master_reboot"),
)
Told = Iterator[tuple[str, object]]


def as_pairs(told: Iterable[tuple[str, object]]) -> Pairs:
    """A map of bulk strings."""
    return Pairs((name.encode(), bytes_of(str(value))) for name, value in told)


def flags_of(instance: Instance) -> str:
    """Between commas. Disconnected, which is no flag, has its place among them."""
    return ",".join(name for bit, name in FLAG_NAMES
                    if (instance.flags & bit if bit else instance.link.disconnected))


def instance_reply(state: State, instance: Instance) -> Pairs:
    """All that is known of one."""
    return as_pairs(_told(state, instance))


def instances_reply(state: State, instances: Iterable[Instance]) -> list[Pairs]:
    """Of several; replicas that do not want to be named are left out."""
    return [instance_reply(state, one) for one in instances if not one.flags & REPLICA or one.announced]


def _told(state: State, instance: Instance) -> Told:
    now, link = state.now, instance.link
    yield "name", instance.name
    yield "ip", state.announced(instance.address)
    yield "port", instance.address.port
    yield "runid", instance.runid
    yield "flags", flags_of(instance)
    yield "link-pending-commands", link.pending
    yield "link-refcount", link.owners
    if isinstance(instance, Master) and instance.flags & FAILOVER_IN_PROGRESS:
        yield "failover-state", STATE_NAMES[instance.failover_state]
    yield "last-ping-sent", now - link.ping_pending if link.ping_pending else 0
    yield "last-ok-ping-reply", now - link.available
    yield "last-ping-reply", now - link.ponged
    if instance.flags & S_DOWN:
        yield "s-down-time", now - instance.s_down_since
    if instance.flags & O_DOWN:
        yield "o-down-time", now - instance.o_down_since
    yield "down-after-milliseconds", instance.down_after
    if not instance.flags & SENTINEL:
        yield "info-refresh", now - instance.info_at if instance.info_at else 0
        yield "role-reported", "master" if instance.reported == MASTER else "slave"
        yield "role-reported-time", now - instance.reported_since
    if isinstance(instance, Master):
        yield from _of_master(instance)
    elif instance.flags & REPLICA:
        yield from _of_replica(instance)
    else:
        yield "last-hello-message", now - instance.heard_hello
        yield "voted-leader", instance.leader or "?"
        yield "voted-leader-epoch", instance.leader_epoch


def _of_master(master: Master) -> Told:
    yield "config-epoch", master.config_epoch
    yield "num-slaves", len(master.replicas)
    yield "num-other-sentinels", len(master.sentinels)
    yield "quorum", master.quorum
    yield "failover-timeout", master.failover_timeout
    yield "parallel-syncs", master.parallel_syncs
    if master.notification_script:
        yield "notification-script", master.notification_script
    if master.client_reconfig_script:
        yield "client-reconfig-script", master.client_reconfig_script


def _of_replica(replica: Instance) -> Told:
    host, port = replica.reported_master
    yield "master-link-down-time", replica.master_link_down_ms
    yield "master-link-status", "ok" if replica.link_up else "err"
    yield "master-host", host or "?"
    yield "master-port", port
    yield "slave-priority", replica.priority
    yield "slave-repl-offset", replica.offset
    yield "replica-announced", int(replica.announced)


def timings_reply(state: State) -> Pairs:
    """SENTINEL DEBUG."""
    timings = state.settings.timings
    return as_pairs((one.name.replace("_", "-").upper(), getattr(timings, one.name)) for one in fields(timings))


def info_cache_reply(state: State, masters: Iterable[Master]) -> list[Any]:
    """SENTINEL INFO-CACHE: name, [[age in ms, INFO] of it and each replica], name ..."""
    reply: list[Any] = []
    for master in masters:
        cached = [[state.now - one.info_at if one.info_at else 0, one.info or None]
                  for one in (master, *master.replicas.values())]
        reply += [bytes_of(master.name), cached]
    return reply


def script_reply(job: Job, now: int) -> Pairs:
    """One line of SENTINEL PENDING-SCRIPTS."""
    when = ("run-time", now - job.at) if job.running else ("run-delay", max(0, job.at - now) if job.at else 0)
    first = Pairs([(b"argv", [bytes_of(word) for word in job.argv])])
    rest = as_pairs([("flags", "running" if job.running else "scheduled"), ("pid", job.pid), when,
                     ("retry-num", job.runs)])
    return Pairs([*first.items, *rest.items])
