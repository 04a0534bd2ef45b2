"""Clients that wait: BLPOP and its kin wait for keys; WAIT, which waits for replicas, is replication.waiting's.

A command that finds nothing returns what `wait(call, kind, keys, timeout)` returns: there is no reply yet. The
client keeps the rest of its batch and stands, first come first served, in the queue of each key: `db.blocking`, key ->
clients.

    LPUSH k x  ->  effects.changed  ->  `ready` notes the key, if somebody waits for it
    the command (or EXEC, or script) is over  ->  `serve`: the waiting commands are run again, from the start, in the
    order in which the clients came, as long as the key is of the type that they wait for

A command run again may find nothing again: it then waits on, behind the others, but with the deadline it had. Running
again may also make other keys ready (BLMOVE): those are served next. What a served command did is propagated as a unit
of its own, after the unit that fed it.

`on_no_key` clients (XREADGROUP) are also run again when the key is deleted or changes its type, so that they can answer
an error. A client is let go by a served key, by its deadline (`time_out`), or by an error (`fail`): CLIENT UNBLOCK, a
change of roles. `client.blocked` is what a client waits in; it is None for all others, those held by CLIENT PAUSE
included.

Complexity: waiting and going cost O(keys of the client), and O(log N) for the deadline, N being the clients with one.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from server.clients.client import BLOCKED, CLOSE_ASAP, PAUSED, Client
from server.clients.seams import ClientLoop, CommandRunner, RunningCommand
from server.clients.table import ClientTable
from server.keyspace.database import Database
from server.observe.internal_errors import internal_errors
from server.observe.latency import LatencyMonitor
from server.observe.stats import Stats
from server.registry import args
from server.registry.clock import monotonic_now_us, unix_ms
from server.registry.errors import CommandError
from server.registry.loop_seam import Timer
from server.registry.reply import NO_REPLY, NULL_ARRAY, NoReply
from server.structures.long_double import ceiling

LIST, SORTED_SET, STREAM = "list", "zset", "stream"      # what is waited for
_KIND_OF_TYPE = {1: LIST, 3: SORTED_SET, 6: STREAM}
FORCED = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"


# ---- the argument
def seconds(text: bytes) -> int:
    """A timeout in seconds, fractions allowed, as milliseconds (rounded up); 0 is for ever."""
    value = ceiling(text, 1000)
    if value is None:
        raise CommandError("ERR timeout is not a float or out of range")
    return _timeout(value)


def milliseconds(text: bytes) -> int:
    """A timeout in whole milliseconds; 0 is for ever."""
    return _timeout(args.integer(text, "ERR timeout is not an integer or out of range"))


def _timeout(value: int) -> int:
    if value < 0:
        raise CommandError("ERR timeout is negative")
    if value > args.INT64_MAX - unix_ms():
        raise CommandError("ERR timeout is out of range")
    return value


class Blocked:
    """One client's waiting."""

    __slots__ = ("argv", "as_it_came", "client", "command", "db", "deadline_us", "keys", "kind", "on_no_key", "room")

    def __init__(self, room: "Blocking", call: RunningCommand, kind: str, keys: Iterable[bytes],
                 deadline_us: int) -> None:
        self.room = room
        self.client = call.client
        self.command = call.command
        self.db = call.db
        self.argv = call.argv
        self.as_it_came = True                      # argv are the words of the request
        self.kind = kind
        self.keys = tuple(dict.fromkeys(keys))
        self.deadline_us = deadline_us              # monotonic; 0 = none
        self.on_no_key = False

    def __lt__(self, other: "Blocked") -> bool:
        """For the heap of deadlines, where a client may stand twice with the one it keeps: either may come first."""
        return False

    def time_out(self) -> None:
        """Its time is over."""
        self._end(NULL_ARRAY)

    def fail(self, error: CommandError) -> None:
        """An error ends it."""
        self.command.record.failed += 1
        self.room.stats.count_error(error)
        self._end(error)

    def _end(self, reply: object) -> None:
        self.command.record.calls += 1              # a call counts once: now, not when it began to wait
        self.room.executor.commands += 1
        self.room.leave(self)
        started = monotonic_now_us()
        self.client.reply(reply)
        self.client.waited()
        self.room.latency.add("command-unblocking", (monotonic_now_us() - started) // 1000)
        self.room.loop.resume(self.client)


class Blocking:
    """All who wait. `in_unit()` says whether a command, EXEC or script is under way.

    `when_unwatched_by_fast_paths` is told when the first client begins to wait for keys that fast paths do not look out
    for, and when the last one stopped; the fast paths of list pushes look into `db.blocking` by themselves.
    """

    def __init__(self, clients: ClientTable, loop: ClientLoop, executor: CommandRunner, stats: Stats,
                 latency: LatencyMonitor, in_unit: Callable[[], object]) -> None:
        self.clients = clients
        self.loop = loop
        self.executor = executor
        self.stats = stats
        self.latency = latency
        self._in_unit = in_unit
        self.when_unwatched_by_fast_paths: Callable[[bool], object] = bool
        self.ready: deque[tuple[Database, bytes]] = deque()      # keys to serve; the executor looks whether there are
        self._noted: set[tuple[int, bytes]] = set()         # the same, so that each stands there once
        self._serving = False
        self._again: Blocked | None = None                  # whose command is being run again
        self._deadlines: list[tuple[int, int, Blocked]] = []        # heap of (us, client id, who), some of them gone
        self._with_deadline = 0                             # how many of them are still here
        self._timer: Timer | None = None
        self._no_key: dict[tuple[int, bytes], int] = {}     # keys with on_no_key waiters, and how many
        self._others = 0                                    # who waits for keys, but not for lists

    # ---- coming and going
    def wait(self, call: RunningCommand, kind: str, keys: Iterable[bytes], timeout_ms: int, *, on_no_key: bool = False,
             argv: list[bytes] | None = None) -> NoReply:
        """Have the client of this call wait, and return this as the call's reply: `return wait(call, LIST, keys, ms)`.

        The caller has looked at `call.may_block` and found nothing. `kind`: what type of value makes a key ready.
        timeout_ms: 0 is for ever. on_no_key: run again also when the key goes or changes its type. argv: run again this
        instead of the words of the call (XREAD's $ has become an ID).
        """
        client = call.client
        again = self._again
        if again is not None and again.client is client:
            deadline = again.deadline_us
        else:
            deadline = monotonic_now_us() + timeout_ms * 1000 if timeout_ms else 0
        blocked = Blocked(self, call, kind, keys, deadline)
        blocked.on_no_key = on_no_key
        if argv is not None:
            blocked.argv, blocked.as_it_came = argv, argv is call.argv
        self.enter(blocked)
        return NO_REPLY

    def enter(self, blocked: Any) -> None:
        """Into all queues: the client is blocked now. Also for who waits for no keys (replication.waiting.Waiter)."""
        client, db = blocked.client, blocked.db
        for key in blocked.keys:
            db.blocking.setdefault(key, {})[client] = blocked
            if blocked.on_no_key:
                place = (db.index, key)
                self._no_key[place] = self._no_key.get(place, 0) + 1
        if blocked.keys and (blocked.kind != LIST or blocked.on_no_key):
            self._others += 1
            if self._others == 1:
                self.when_unwatched_by_fast_paths(True)
        client.blocked = blocked
        client.set(BLOCKED)
        if blocked.deadline_us:
            heapq.heappush(self._deadlines, (blocked.deadline_us, client.id, blocked))
            self._with_deadline += 1
            self._arm()
        self._count(1)

    def leave(self, blocked: Any) -> None:
        """Out of all queues. The client is not blocked any more, but does not go on by this alone."""
        client, db = blocked.client, blocked.db
        for key in blocked.keys:
            queue = db.blocking[key]
            del queue[client]
            if not queue:
                del db.blocking[key]
            if blocked.on_no_key:
                place = (db.index, key)
                self._no_key[place] -= 1
                if not self._no_key[place]:
                    del self._no_key[place]
        if blocked.keys and (blocked.kind != LIST or blocked.on_no_key):
            self._others -= 1
            if self._others == 0:
                self.when_unwatched_by_fast_paths(False)
        if blocked.deadline_us:
            self._with_deadline -= 1
        client.blocked = None
        client.clear(BLOCKED)
        self._count(-1)

    def forget(self, client: Client) -> None:
        """The client is gone."""
        if client.blocked is not None:
            self.leave(client.blocked)

    def _count(self, by: int) -> None:
        clients = self.clients
        clients.blocked += by
        clients.with_timeout = self._with_deadline
        clients.blocking_on_nokey = len(self._no_key)

    def fail_all(self, error: CommandError) -> None:
        """The server changed its role: all who wait get the error and are disconnected."""
        for client in self.clients:
            if client.blocked is not None:
                client.blocked.fail(error)
                client.close(after_reply=True)

    # ---- deadlines
    @property
    def _crowded(self) -> bool:
        """Whether most of the heap is of those who left."""
        return len(self._deadlines) > 2 * self._with_deadline + 64

    def _nearest(self) -> int:
        """The next deadline of somebody who is here; -1 without one. Forgets those who left, once they are many."""
        heap = self._deadlines
        if self._crowded:
            heap[:] = [entry for entry in heap if entry[2].client.blocked is entry[2]]
            heapq.heapify(heap)
        while heap and heap[0][2].client.blocked is not heap[0][2]:
            heapq.heappop(heap)
        return heap[0][0] if heap else -1

    def _arm(self) -> None:
        """One timer, at the nearest deadline."""
        timers = self.loop.timers
        if self._timer is not None and self._timer.due_us <= self._deadlines[0][0] and not self._crowded:
            return
        due = self._nearest()
        if self._timer is not None:
            if self._timer.due_us <= due:
                return
            timers.remove(self._timer)
        now = monotonic_now_us()
        self._timer = timers.add(now, max(0, -(-(due - now) // 1000)), self._run_timer)

    def _run_timer(self) -> int | None:
        """Let go whose time is over; milliseconds until the next one, None without one."""
        while (due := self._nearest()) >= 0:
            left = due - monotonic_now_us()
            if left > 0:
                return max(1, -(-left // 1000))
            self._deadlines[0][2].time_out()
        self._timer = None
        return None

    def hasten(self, by_us: int) -> None:
        """So much time has passed for those who wait (DEBUG CLOCK): whose time is over goes, by deadline."""
        end = monotonic_now_us() + by_us
        while 0 <= self._nearest() <= end:
            self._deadlines[0][2].time_out()
        for _, _, blocked in self._deadlines:
            blocked.deadline_us -= by_us
        self._deadlines[:] = [(blocked.deadline_us, number, blocked) for _, number, blocked in self._deadlines]
        if self._timer is not None:
            self.loop.timers.remove(self._timer)
            self._timer = None
        if self._nearest() >= 0:
            self._arm()

    # ---- keys that became ready
    def note(self, db: Database, key: bytes) -> None:
        """Somebody waits for this key, and it changed. Complexity: O(1)."""
        if (db.index, key) not in self._noted:
            self._noted.add((db.index, key))
            self.ready.append((db, key))
            self.loop.attend(self.serve)

    def emptied(self, db: Database) -> None:
        """A database was emptied: who waits for a key to be there all the time must hear of it."""
        for index, key in list(self._no_key):
            if index == db.index:
                self.note(db, key)

    def swapped(self, first: Database, second: Database) -> None:
        """Two databases exchanged their keys (SWAPDB, a resync that loaded aside)."""
        for db in (first, second):
            for key in list(db.blocking):
                if (db.index, key) in self._no_key or db.has_entry(key):
                    self.note(db, key)

    def serve(self) -> bool:
        """Run the commands again that wait for ready keys, and for those that become ready by that. A hook of
        before_sleep too: keys also change by themselves (expiry). Never wants the loop to hurry."""
        if self._serving or not self.ready or self._in_unit():
            return False                            # in the middle of a unit (a busy script lets others speak): later
        self._serving = True
        try:
            while self.ready:
                db, key = self.ready.popleft()
                self._noted.discard((db.index, key))
                self._serve_key(db, key)
        finally:
            self._serving = False
            self.loop.attend(self.serve, False)
        return False

    def _serve_key(self, db: Database, key: bytes) -> None:
        """Everybody who waits now, once: who has to wait again stands behind."""
        for client in list(db.blocking.get(key, ())):
            blocked = client.blocked
            if blocked is None or blocked.db is not db or key not in blocked.keys or client.has(CLOSE_ASAP):
                continue
            value = None if db.is_expired(key) else db.view(key)     # looking does not delete it yet
            if blocked.on_no_key or (value is not None and _KIND_OF_TYPE.get(value.TYPE) == blocked.kind):
                self._run_again(blocked)

    def runs_again(self, client: Client) -> bool:
        """Whether the command of this client under way was seen before, when it began to wait (MONITOR asks)."""
        return self._again is not None and self._again.client is client

    def _run_again(self, blocked: Blocked) -> None:
        client = blocked.client
        self.leave(blocked)
        self._again = blocked
        try:
            self.executor.run_again(client, blocked.argv, blocked.as_it_came)
        except Exception:                           # of this client alone: who fed it has nothing to do with that
            internal_errors.note("A command that had waited", blocked.argv)
            client.close()
            return
        finally:
            self._again = None
        if client.has(BLOCKED):
            return
        if client.has(PAUSED):
            client.rewind()                         # CLIENT PAUSE holds it: from the start when that is over
        else:
            self.loop.resume(client)
