"""The master's side: who follows us, how a sync begins, what replicas acknowledged, and the backlog.

    PSYNC id offset --> the history is ours and the backlog holds the offset --> +CONTINUE, and the stream from there
                    --> else a full sync: +FULLRESYNC, a snapshot (`full_sync`), then the stream from where it was taken

The stream stands in memory once (structures.block_stream). The backlog is a sink that stays repl-backlog-size behind
its end; each replica is a sink that moves on as its connection takes bytes (`feed`).
"""

from collections.abc import Callable, Iterator

from iothreads.listen import gather_small_writes
from server.clients.client import CLOSE_ASAP, LINK, REPLICA, REPLY_MODE, REPLY_OFF, Client
from server.config.config import Config
from server.observe.log import Log
from server.observe.seams import NO_REPLICATION, Replication as Memory
from server.observe.stats import Stats
from server.registry.clock import monotonic_now_us
from server.replication.awaited import Awaited
from server.replication.feed import Feed
from server.replication.history import History
from server.replication.lag import OffsetTimes
from server.replication.replica import Replica
from server.replication.seams import LoopSeam, PropagationSeam
from server.replication.state import State
from server.replication.tally import BACKLOG, HISTORY, MASTER, NEW, OFFSET, OLD_SYNC, Tally
from server.structures.block_stream import REPLICAS, Backlog

PING = b"*1\r\n$4\r\nPING\r\n"
GETACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"


DROPPED_IN_SYNC = (
    "Replica %s had not loaded its snapshot when %d bytes of the stream waited for it, more than its "
    "client-output-buffer-limit allows. Its next full sync ends in the same way unless less is written meanwhile: "
    "raise that limit, or set dual-channel-replication-enabled at both servers, so that the replica keeps what waits."
)


def seconds() -> float:
    """Monotonic seconds."""
    return monotonic_now_us() / 1e6


class Master:
    """Those who follow us. `changed` is called when a replica acknowledged, came or went; `good_changed` with the
    number of replicas that min-replicas-max-lag counts as good."""

    def __init__(self, config: Config, log: Log, stats: Stats, history: History, propagation: PropagationSeam,
                 loop: LoopSeam, tally: Tally) -> None:
        self.config = config
        self.log = log
        self.stats = stats
        self.history = history
        self.propagation = propagation
        self.stream = propagation.stream
        self.loop = loop
        self.replicas: dict[Client, Replica] = {}
        self.backlog: Backlog | None = None
        self.awaited = Awaited(config, self._release)
        self.stream_db: Callable[[], int] = lambda: 0      # database that the stream is in
        self.is_replica: Callable[[], bool] = lambda: False
        # these four are full_sync's
        self.start_full_sync: Callable[[Replica], None] = lambda replica: None
        self.gone_while_syncing: Callable[[Replica], None] = lambda replica: None
        self.is_streaming_to: Callable[[Replica], bool] = lambda replica: False
        self.sent_all_to: Callable[[Replica], bool] = lambda replica: False
        self.check_output: Callable[[Client], None] = lambda client: None
        self.changed: list[Callable[[], None]] = []
        self.good_changed: Callable[[int], None] = lambda good: None
        self.good_replicas = 0
        self.tally = tally
        self.offset_times = OffsetTimes()  # noted once a second
        self.pings_paused = False          # FAILOVER: offsets must stand still
        self._left = seconds()             # when the last replica went
        self._ticks = 0

    # ---- offsets
    @property
    def offset(self) -> int:
        """master_repl_offset: bytes of the history so far, those of this turn among them."""
        self.propagation.flush()
        return self.stream.offset

    @property
    def shown_offset(self) -> int:
        """The same for people: 0 while nobody has ever followed us, for nothing was kept (WAITAOF counts even so)."""
        return self.offset if self.backlog is not None else 0

    # ---- the backlog
    def create_backlog(self) -> None:
        """From now on the stream is kept and counted."""
        self.backlog = Backlog()
        self.backlog.size = self.config.repl_backlog_size
        self.propagation.subscribe(self.backlog, self)

    def free_backlog(self) -> None:
        """Nobody can go on from what we had."""
        if self.backlog is not None:
            self.propagation.unsubscribe(self.backlog)
            self.backlog = None
        self.offset_times.forget()

    def resize_backlog(self) -> None:
        """repl-backlog-size."""
        if self.backlog is not None:
            self.backlog.size = self.config.repl_backlog_size
            self.backlog.trim()

    def memory(self) -> Memory:
        """For MemoryAccount. Without replicas all of it is the backlog's, which is made of whole blocks."""
        backlog = self.backlog
        if backlog is None:
            return Memory(0, 0, 0, len(self.replicas)) if self.replicas else NO_REPLICATION
        held = self.stream.memory
        kept = min(held, backlog.size) if self.replicas or self.awaited else held
        return Memory(held, kept, 0, len(self.replicas))

    # ---- a turn's commands (dispatch.propagate tells)
    def begin_turn(self) -> None:
        """They come."""

    def end_turn(self) -> None:
        """They are in the stream: on to the replicas."""
        if self.replicas:              # of a replica's own there are none as a rule, and its turns are short
            self.feed_all()
        if self.backlog is not None:
            self.backlog.trim()

    def feed_all(self) -> bool:
        """Hand over what connections will take. It never hurries the loop: a connection that took bytes wakes it."""
        behind = False
        watermark = self._watermark()
        for replica in self.replicas.values():
            if replica.feed is None or not replica.feed.pending:
                continue
            if replica.good:
                behind |= replica.feed.send()
            if replica.feed.pending >= watermark:          # also of one whose snapshot takes for ever
                self.check_output(replica.client)
        self.loop.attend(self.feed_all, behind)
        return False

    def _watermark(self) -> int:
        hard, soft, _ = self.config.client_output_buffer_limit["replica"]
        return int(min(hard or 1 << 62, soft or 1 << 62))

    def write(self, data: bytes) -> None:
        """Bytes for the replicas that are no command of ours: a ping, or what our own master said."""
        self.propagation.flush()
        self.stream.write(data, REPLICAS)
        self.end_turn()

    # ---- who is here
    def of(self, client: Client) -> Replica:
        """What is known of a client that speaks as a replica."""
        known = self.replicas.get(client)
        if known is None:
            known = client.replica = client.replica or Replica(client)
        return known

    def connected(self) -> list[Replica]:
        """All that asked for a sync, in the order of their coming."""
        return list(self.replicas.values())

    def online(self) -> Iterator[Replica]:
        """Those that get the stream or are about to."""
        return (replica for replica in self.replicas.values() if replica.state == State.ONLINE)

    def forget(self, client: Client) -> None:
        """The client is gone, or is no replica any more. It and what is known of it know each other: that ends here."""
        replica = self.replicas.pop(client, None)
        client.replica = None
        if replica is None:
            return
        self.tally.sent += replica.sent
        ended, waiting = replica.state, replica.waiting
        whole = ended == State.RDB_SENT or self.sent_all_to(replica)
        if not self.awaited.keeps(replica, whole, seconds()):
            self._release(replica)
        replica.state = State.NONE
        self.log.notice("Connection with replica %s lost.", replica.name)
        if not self.replicas:
            self._left = seconds()
        self.count_good()
        self._tell()
        if waiting >= self._watermark() and not replica.acknowledged and not replica.old_sync:
            self.log.warning(DROPPED_IN_SYNC, replica.name, waiting)
        if ended in (State.WAIT_START, State.WAIT_END, State.SEND_BULK):
            self.tally.ended(MASTER, "full_ok" if whole else "full_err")
        if ended in (State.WAIT_END, State.SEND_BULK):
            self.gone_while_syncing(replica)

    def _release(self, replica: Replica) -> None:
        """It gets no more of the stream."""
        if replica.feed is not None and replica.feed.stream is not None:
            self.stream.detach(replica.feed)
            self.propagation.follow()
            if self.backlog is not None:
                self.backlog.trim()        # it may have held more than the backlog wants

    def drop_all(self) -> None:
        """Our history ends here: replicas come again and ask."""
        for client in list(self.replicas):
            self.forget(client)
            client.close()
        self.awaited.clear()

    # ---- PSYNC and SYNC
    def sync(self, client: Client, id: str | None, offset: int) -> bytes | None:
        """A replica asks for the stream: its answer when it may go on, None when a full sync was begun. id: of the
        history that it knows, "?" for none, None for SYNC, which knows no histories. offset: the next byte wanted."""
        replica = self.of(client)
        self.log.notice("Replica %s asks for synchronization", replica.name)
        if self.config.repl_disable_tcp_nodelay:
            gather_small_writes(client.fd)
        reason = self._reason_for_full(replica, id, offset)
        if reason is None:
            return self._go_on(replica, offset)
        replica.old_sync = id is None
        if reason not in (NEW, OLD_SYNC):
            self.stats.add("sync_partial_err")
            self.tally.ended(MASTER, "partial_err")
        if not replica.second:         # its first connection has said why
            self.tally.reasons[reason] += 1
        if replica.dual_channel and replica.eof and id is not None and self.config.dual_channel_replication_enabled \
                and self.config.repl_diskless_sync:
            self.log.notice("Replica %s takes its snapshot by a second connection", replica.name)
            return b"+DUALCHANNELSYNC\r\n"
        self.stats.add("sync_full")
        if self.backlog is None:
            if not self.is_replica():
                self.history.begin()
            self.create_backlog()
            self.log.notice("Replication backlog created, my new replication IDs are '%s' and '%s'", self.history.id,
                            self.history.second_id)
        self._add(replica, State.WAIT_START)
        self.start_full_sync(replica)
        return None

    def refuse_offset(self, client: Client) -> None:
        """It asks for a sync from something that is no number."""
        self.log.warning("Replica %s asks for synchronization but with a wrong offset", self.of(client).name)

    def _reason_for_full(self, replica: Replica, id: str | None, offset: int) -> str | None:
        """Why a replica that asks so needs a full sync (one of tally.REASONS); None: it can go on."""
        if id is None:
            return OLD_SYNC
        refusal = self.history.refusal(id, offset)
        if refusal is not None:
            if not refusal:
                self.log.notice("Full resync requested by replica %s", replica.name)
                return NEW
            self.log.notice("%s", refusal)
            return OFFSET if id.lower() == self.history.second_id else HISTORY
        backlog, end = self.backlog, self.offset
        if backlog is not None and backlog.first_offset <= offset - 1 <= end:
            return None
        self.log.notice("Unable to partial resync with replica %s for lack of backlog (Replica request was: %d).",
                        replica.name, offset)
        if offset - 1 > end:
            self.log.warning("Warning: replica %s tried to PSYNC with an offset that is greater than the master "
                             "replication offset.", replica.name)
            return OFFSET
        return BACKLOG

    def _go_on(self, replica: Replica, offset: int) -> bytes:
        """The backlog has what comes next for it."""
        backlog = self.backlog
        assert backlog is not None
        replica.feed = Feed(replica.client)
        self.stream.attach_at(replica.feed, backlog, offset - 1)
        by_two = self.awaited.came(replica.snapshot_by)
        self._add(replica, State.LOADING if by_two else State.ONLINE)
        replica.heard = seconds()
        if not by_two:
            replica.acknowledged = max(replica.acknowledged, offset - 1)
            self.stats.add("sync_partial_ok")
            self.tally.ended(MASTER, "partial_ok")
        self.log.notice("Partial resynchronization request from %s accepted. Sending %d bytes of backlog starting from "
                        "offset %d.", replica.name, replica.feed.pending, offset)
        self.count_good()
        self.loop.attend(self.feed_all)
        return f"+CONTINUE {self.history.id}\r\n".encode() if replica.psync2 else b"+CONTINUE\r\n"

    def _add(self, replica: Replica, state: int) -> None:
        replica.state = state
        replica.since = replica.wrote = seconds()
        replica.sent_before = replica.client.bytes_out
        replica.client.set(REPLICA | REPLY_OFF)        # its connection carries the stream: no reply may stand in it
        replica.client.slow_because(REPLY_MODE | LINK)
        self.replicas[replica.client] = replica
        self._tell()

    def begin_feed(self, replica: Replica) -> None:
        """Its snapshot is taken now: what comes from here on waits for it in the stream."""
        replica.start = self.offset
        if not replica.rdb_only or replica.second:
            replica.feed = Feed(replica.client)
            self.stream.attach(replica.feed)
            self.propagation.follow()
        self.propagation.say_select()
        self._greet(replica)

    def _greet(self, replica: Replica) -> None:
        """Its snapshot is on the way: of which history and offset it is."""
        replica.state = State.WAIT_END
        history, start, client = self.history.id, replica.start, replica.client
        if replica.second:
            self.awaited.add(replica)
            client.push_encoded(f"$ENDOFF:{start} {history} {self.stream_db()} {client.id}\r\n".encode())
        elif not replica.old_sync:
            client.push_encoded(f"+FULLRESYNC {history} {start}\r\n".encode())

    def share_feed(self, replica: Replica, with_whom: Replica) -> None:
        """Its snapshot is one that is being taken for another replica, whose stream it gets too."""
        backlog, other = self.backlog, with_whom.feed
        assert backlog is not None and other is not None
        self.propagation.flush()
        replica.start = with_whom.start
        replica.feed = Feed(replica.client)
        self.stream.attach_like(replica.feed, other)
        self._greet(replica)

    def put_online(self, replica: Replica, *, on_ack: bool) -> None:
        """It has its snapshot. on_ack: the stream begins when it says that it has loaded it."""
        self.tally.ended(MASTER, "full_ok")
        if replica.rdb_only or replica.second:
            replica.state = State.RDB_SENT
            self.log.notice("RDB transfer completed, rdb only replica (%s) should be disconnected asap", replica.name)
            return
        replica.state = State.ONLINE
        replica.heard = seconds()
        replica.stream_on_ack = on_ack
        if not on_ack:
            self.loop.attend(self.feed_all)
        self.count_good()
        self._tell()
        if not on_ack:
            self.log.notice("Synchronization with replica %s succeeded", replica.name)

    # ---- acknowledgements
    def acknowledge(self, client: Client, offset: int, synced: int | None) -> None:
        """REPLCONF ACK: so many bytes of the history have been applied there (and so many are on its disk)."""
        replica = self.replicas.get(client)
        if replica is None:
            return
        replica.acknowledged = max(replica.acknowledged, offset)
        if synced is not None:
            replica.synced = max(replica.synced, synced)
        replica.heard = seconds()
        if replica.state == State.LOADING:
            replica.state = State.ONLINE
            self.log.notice("Synchronization with replica %s succeeded", replica.name)
            self.count_good()
        if replica.stream_on_ack and replica.state == State.ONLINE:
            replica.stream_on_ack = False
            self.loop.attend(self.feed_all)
            self.log.notice("Synchronization with replica %s succeeded", replica.name)
            self.count_good()
        self._tell()

    def ask_for_acknowledgements(self) -> None:
        """Somebody waits (WAIT, FAILOVER): do not let them wait for the second to be over."""
        self.write(GETACK)

    def synced_by(self, offset: int) -> int:
        """How many have so much on disk."""
        return sum(replica.synced >= offset for replica in self.online())

    def lag(self, replica: Replica) -> tuple[int, float]:
        """How far it is behind: bytes, and for how many seconds we have been beyond what it acknowledged."""
        return max(0, self.offset - replica.has), self.offset_times.age(seconds(), replica.has)

    def _tell(self) -> None:
        for hook in self.changed:
            hook()

    # ---- from the cron
    def count_good(self) -> None:
        """Replicas that were heard within min-replicas-max-lag."""
        config, now = self.config, seconds()
        good = 0
        if config.min_replicas_to_write and config.min_replicas_max_lag:
            good = sum(int(now) - int(replica.heard) <= config.min_replicas_max_lag for replica in self.online())
        self.good_replicas = good
        self.good_changed(good)

    def tick(self) -> None:
        """Once a second: pings, silence, and the end of a backlog that nobody came for."""
        if self._ticks % self.config.repl_ping_replica_period == 0 and self.replicas and not self.is_replica() \
                and not self.pings_paused:
            self.write(PING)
        self._ticks += 1
        now = seconds()
        if self.replicas:
            self.offset_times.note(now, self.offset)
        for replica in self.connected():
            self._look_at(replica, now)
        self.awaited.tick(now)
        ttl = self.config.repl_backlog_ttl
        if not self.replicas and ttl and self.backlog is not None and not self.is_replica() and now - self._left > ttl:
            self.history.begin()
            self.free_backlog()
            self.log.notice("Replication backlog freed after %d seconds without connected replicas.", ttl)
        self.count_good()

    def _look_at(self, replica: Replica, now: float) -> None:
        timeout = self.config.repl_timeout
        if replica.client.has(CLOSE_ASAP):
            return
        if replica.state in (State.ONLINE, State.LOADING):
            if not replica.old_sync and now - max(replica.heard, self.loop.heard_us(replica.client) / 1e6) > timeout:
                self.log.warning("Disconnecting timedout replica (streaming sync): %s", replica.name)
                replica.client.close()
        elif self.is_streaming_to(replica):
            if now - replica.wrote > timeout:
                self.log.warning("Disconnecting timedout replica (full sync): %s", replica.name)
                replica.client.close()
        elif replica.state in (State.WAIT_START, State.WAIT_END):
            replica.client.push_encoded(b"\n")
