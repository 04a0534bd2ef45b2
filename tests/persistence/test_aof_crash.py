"""Power cuts: the append only file of a server in this process, on a simulated disk, cut after every single event.

What stands for the server is the smallest thing that the room of persistence needs. Commands are executed for real
(server.dispatch.replay), their bytes go to the file once a turn, and after the turn they count as acknowledged. At
every event of the disk, for every fate of what was not synced, a second server loads what is there. It must start, and
under `always` it must hold every acknowledged write; under `everysec` every one that was acknowledged before the last
sync. REMUS_CRASH_SEEDS says how many courses of work are cut (3); each says how many points it tried.
"""

import importlib
import io
import os
import pkgutil
import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import server.commands
from server.clients.key_events import KeyEvents
from server.clients.pubsub import PubSub
from server.config.config import Config
from server.dispatch import record, shapes
from server.dispatch.executor import Executor
from server.dispatch.propagate import Propagation
from server.dispatch.replay import Replay
from server.keyspace.database import Keyspace
from server.keyspace.digest import keyspace_digest
from server.keyspace.effects import Effects
from server.observe.latency import LatencyMonitor
from server.observe.stats import Stats
from server.persistence import aof_load, loading
from server.persistence.aof import ON, WAIT_REWRITE, AppendOnlyFile
from server.persistence.aof_load import AofLoader
from server.persistence.aof_reader import AofReader
from server.persistence.aof_rewrite import Rewriter, write_base
from server.persistence.background_sync import BackgroundSync
from server.persistence.command_writer import CommandWriter
from server.persistence.loading import Loading
from server.registry import clock
from server.registry.command import COMMANDS
from server.structures.block_stream import Stream
from tests.persistence.simulated_disk import FATES, KEPT, LOST, SimulatedDisk

for module in pkgutil.iter_modules(server.commands.__path__):
    importlib.import_module(f"server.commands.{module.name}")
record.build_records()
shapes.attach(COMMANDS)
# Nobody listens there: MiniServer propagates by itself.
shapes.use(Propagation(Stream()), KeyEvents(PubSub(), 1), Stats().error_counts)


class Log:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, *values: object) -> None:
        self.lines.append(text % values if values else text)

    notice = verbose = debug = warning


class Background:
    """Syncs that take until they are told: `finish` does what waits."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._disk, self._jobs = disk, []  # type: ignore[var-annotated]
        self.error = self.pending = 0

    def sync(self, file: int) -> None:
        self.pending += 1
        self._jobs.append(lambda: self._sync(file))

    def _sync(self, file: int) -> None:
        self.pending -= 1
        self._disk.sync(file)

    def sync_and_close(self, file: int) -> None:
        self._jobs.append(lambda: (self._disk.sync(file), self._disk.close(file)))

    def remove(self, path: str) -> None:
        self._jobs.append(lambda: self._disk.remove(path))

    def finish(self) -> None:
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            job()

    drain = finish


class Child:
    """A child that works when it is told to, on the data as they were."""

    def __init__(self) -> None:
        self.kind, self.pid, self.final_cow = "", 4711, 0

    @property
    def alive(self) -> bool:
        return bool(self.kind)

    def start(self, kind: str, work: Any, done: Any) -> None:
        self.kind = kind
        self.work, self.done = work, done

    def finish(self, code: int = 0) -> None:
        self.kind = ""
        self.done(code, 0)


class MiniServer:
    """A keyspace, propagation and an append only file."""

    def __init__(self, disk: SimulatedDisk, **directives: Any) -> None:
        self.config = Config()
        for name, value in {"appendonly": True, "aof-use-rdb-preamble": False, **directives}.items():
            self.config.store(name, value)
        self.log: Any = Log()
        self.latency = LatencyMonitor()
        self.stats = Stats()
        self.effects = Effects()
        self.keyspace = Keyspace(2)
        self.propagation = Propagation(Stream())
        self.loading = False
        self.monitors: list[Any] = []
        self.note_slow = lambda *command: None
        self.child = Child()
        self.snapshots = SimpleNamespace(libraries=list, refuses_writes=lambda: False, load_library=lambda source: None,
                                         more_fields=list, more_commands=list, hidden_loaded=str, keeps_expired=bool)
        self.loop = SimpleNamespace(turn_once=lambda ms: None, stopping=False)
        self.shutdown = SimpleNamespace(tick=lambda: None)
        self.progress = Loading(self)
        self.executor = Executor(self, self.propagation)
        self.disk = disk
        self.aof = AppendOnlyFile(self, disk, Background(disk))
        self.seconds = 1000
        self.aof.now = lambda: self.seconds
        self.exits: list[int] = []
        self.aof.exit = self.exits.append
        self.aof_rewrite = Rewriter(self)

    def start(self) -> str:
        """As at start-up; a result of aof_load, "manifest" or "open"."""
        if not aof_load.load_manifest(self.aof):
            return "manifest"
        result = AofLoader(self, Replay(self)).load()
        if result in (aof_load.FAILED, aof_load.OPEN_ERROR):
            return result
        if not self.aof.open_at_start(lambda path: write_base(self, path)):
            return "open"
        self.aof.delete_history()
        self.listen()
        self.replay = Replay(self)
        return result

    def execute(self, *argv: bytes) -> None:
        """A client's command: done and propagated, not acknowledged before the turn ends."""
        if argv[0] in (b"MULTI", b"EXEC"):
            raise ValueError
        self.replay.run(list(argv))
        self.propagation.also(self.replay.client.db, list(argv))

    def transaction(self, *commands: tuple[bytes, ...]) -> None:
        self.propagation.enter()
        for command in commands:
            self.execute(*command)
        self.propagation.leave()

    def listen(self) -> None:
        """Write what is propagated from now on."""
        self.propagation.subscribe(self.aof.sink,
                                   SimpleNamespace(begin_turn=self.begin_turn, end_turn=self.aof.end_turn))

    def begin_turn(self) -> None:
        if self.config.aof_timestamp_enabled:
            self.aof.put_time()

    def end_turn(self) -> None:
        clock.refresh()
        self.propagation.flush()

    def contents(self) -> dict[bytes, Any]:
        db = self.keyspace.databases[0]
        return {key: db.peek(key) if db.type_of(key) == "string" else db.view(key).items() for key in db.all_keys()}


class Recorder(SimulatedDisk):
    """Keeps, for every event, the disks that a cut there could leave, and what had been acknowledged."""

    def __init__(self, policy: str) -> None:
        super().__init__()
        self.points: list[tuple[str, int, SimulatedDisk, str]] = []
        self.policy = policy
        self.acknowledged = 0               # units that must survive kill -9
        self.synced = 0                     # everysec: units that must survive a power cut

    def on_event(self, what: str) -> None:
        super().on_event(what)
        for fate in FATES:
            must = self.acknowledged if self.policy == "always" or fate == KEPT else self.synced
            self.points.append((fate, must, self.crashed(fate), what))


SEEDS = int(os.environ.get("REMUS_CRASH_SEEDS", "3"))
UNITS_AT_ONCE = 20         # more than a turn, or what waits for a sync, ever has here


class Work:
    """A server at work on a recording disk: turn after turn, with rewrites now and then. `states[n]` is what the data
    were after n units (commands or transactions)."""

    def __init__(self, disk: Recorder, seed: int, **directives: Any) -> None:
        self.disk, self.rng = disk, random.Random(seed)
        self.server = MiniServer(disk, **directives)
        assert self.server.start() == aof_load.NOT_EXIST
        disk.points.clear()                 # before the first start is done there is nothing to lose
        self.states = [self.server.contents()]
        self.turns_until_child_ends = -1

    def run(self, turns: int) -> None:
        for _ in range(turns):
            for _ in range(self.rng.randint(1, 4)):
                self.unit()
                self.states.append(self.server.contents())
            self.rewrite_now_and_then()
            self.server.end_turn()
            if not self.server.aof.sink.pending:          # else the write waits for a sync: at most 2 seconds
                self.disk.acknowledged = len(self.states) - 1
            self.background()

    def unit(self) -> None:
        rng, server, turn = self.rng, self.server, len(self.states)
        key = b"key:%d" % rng.randrange(12)
        choice = rng.randrange(5)
        if choice == 0:
            server.execute(b"SET", key, bytes([rng.randrange(256)]) * rng.randrange(60))
        elif choice == 1:
            server.execute(b"DEL", key)
        elif choice == 2:
            server.execute(b"RPUSH", b"list:%d" % rng.randrange(3), b"v%d" % turn, b"\r\n$3\r\n")
        elif choice == 3:
            server.execute(b"INCR", b"counter")
        else:
            server.transaction((b"SET", key, b"t%d" % turn), (b"INCR", b"counter"), (b"HSET", b"h", key, b"x"))

    def rewrite_now_and_then(self) -> None:
        server, rng = self.server, self.rng
        self.turns_until_child_ends -= 1
        if rng.random() < 0.1 and not server.child.alive and server.aof_rewrite.start():
            assert server.child.work(lambda keys: None)
            temporary = next(name for name in self.disk.names if name.startswith("temp-rewriteaof-bg"))
            server.aof_rewrite._pid = int(temporary.rpartition("-")[2].removesuffix(".aof"))
            self.turns_until_child_ends = rng.randint(1, 6)
        if self.turns_until_child_ends == 0:
            server.child.finish(code=rng.random() < 0.2)

    def background(self) -> None:
        """The other thread, which does its jobs when it likes."""
        server, disk = self.server, self.disk
        if disk.policy == "everysec" and self.rng.random() < 0.3:
            server.seconds += 1
            server.aof.tick()
        if self.rng.random() < 0.3:
            covers = disk.acknowledged if server.aof.background.pending and self.everything_given_to_sync() else 0
            server.aof.background.finish()
            disk.synced = max(disk.synced, covers)

    def everything_given_to_sync(self) -> bool:
        return self.server.aof.synced_size == self.server.aof.incr_size and not self.server.aof.sink.pending


def check(points: list[tuple[str, int, SimulatedDisk, str]], states: list[dict[bytes, Any]],
          units_at_once: int = UNITS_AT_ONCE) -> int:
    tried = 0
    for fate, must, found, what in points:
        server = MiniServer(found)
        result = server.start()
        assert result in (aof_load.OK, aof_load.EMPTY, aof_load.NOT_EXIST, aof_load.TRUNCATED), (
            fate, what, result, server.log.lines)
        contents = server.contents()
        assert contents in states[must : must + units_at_once], (fate, what, must, server.log.lines)
        tried += 1
    print(tried, "crash points")
    return tried


@pytest.mark.parametrize("seed", range(SEEDS))
def test_always_loses_nothing_acknowledged(seed: int) -> None:
    disk = Recorder("always")
    serving = Work(disk, seed, appendfsync="always")
    serving.run(50)
    assert check(disk.points, serving.states) > 400


@pytest.mark.parametrize("seed", range(SEEDS))
def test_everysec_loses_what_came_after_the_last_sync_at_most(seed: int) -> None:
    disk = Recorder("everysec")
    serving = Work(disk, seed, appendfsync="everysec")
    serving.run(60)
    assert disk.synced > 20
    units_between_syncs = 120
    assert check(disk.points, serving.states, units_between_syncs) > 200


def test_the_very_first_start_may_be_cut_anywhere() -> None:
    disk = Recorder("always")
    MiniServer(disk).start()
    assert check(disk.points, [{}]) > 20


def test_a_switch_to_aof_while_running_may_be_cut_anywhere() -> None:
    """Until the first base is there, the manifest is what it was: nothing. From then on nothing is lost."""
    disk = Recorder("always")
    server = MiniServer(disk, appendfsync="always", appendonly=False)
    server.replay = Replay(server)
    server.listen()
    server.execute(b"SET", b"before", b"1")
    server.end_turn()
    assert server.aof_rewrite.switch_on(in_exec=False)
    assert server.aof.state == WAIT_REWRITE
    assert server.child.work(lambda keys: None)
    server.execute(b"SET", b"during", b"2")
    server.end_turn()
    for path in [name for name in disk.names if name.startswith("temp-rewriteaof-bg")]:
        server.aof_rewrite._pid = int(path.rpartition("-")[2].removesuffix(".aof"))
    server.child.finish()
    assert server.aof.state == ON
    manifest_at = next(n for n, point in enumerate(disk.points) if "manifest appendonlydir/appendonly" in point[3])
    disk.acknowledged = 0
    whole = {b"before": b"1", b"during": b"2"}
    assert check(disk.points[:manifest_at], [{}, whole]) > 20
    assert check([(fate, 1, found, what) for fate, _, found, what in disk.points[manifest_at + 4:]], [{}, whole]) > 0


def test_the_log_says_how_far_a_long_loading_is(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk()
    server = MiniServer(disk)
    server.start()
    for i in range(3000):
        server.execute(b"SET", b"key:%d" % i, b"x" * 1000)
    server.end_turn()
    monkeypatch.setattr(loading, "TELL_SECONDS", 0.0)
    again = MiniServer(disk.crashed(KEPT))
    assert again.start() == aof_load.OK
    told = [line for line in again.log.lines if line.startswith("Loading: ")]
    assert told and told[-1].startswith("Loading: 100% (2 of 2 MB), about ")


@pytest.fixture
def clock_an_hour_back() -> Iterator[None]:
    clock.set_wall_clock(-3600 * 1_000_000)
    clock.refresh()
    yield
    clock.set_wall_clock(0)
    clock.refresh()


def test_everysec_goes_on_when_the_clock_is_set_back(
        monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    server = MiniServer(SimulatedDisk(), appendfsync="everysec")
    server.aof.now = AppendOnlyFile(server, server.disk, server.aof.background).now
    server.start()
    server.execute(b"SET", b"k", b"1")
    server.end_turn()
    server.aof.background.finish()
    request.getfixturevalue("clock_an_hour_back")
    later = clock.monotonic_now_us() + 1_000_000
    monkeypatch.setattr(clock, "monotonic_now_us", lambda: later)
    server.execute(b"SET", b"k", b"2")
    server.end_turn()
    assert server.aof.background.pending


# ---- disks that are full
def test_a_full_disk_refuses_writes_and_heals() -> None:
    disk = SimulatedDisk()
    server = MiniServer(disk, appendfsync="everysec")
    server.start()
    disk.room = 10
    server.execute(b"SET", b"k", b"v" * 50)
    server.end_turn()
    assert server.aof.refusal() == "No space left on device"
    assert server.aof.last_write_status == "err"
    assert disk.size("appendonlydir/appendonly.aof.1.incr.aof") == 0       # the part was taken back
    disk.room = 1 << 20
    server.aof.tick()
    assert not server.aof.refusal()
    assert "AOF write error looks solved, Redis can write again." in server.log.lines
    again = MiniServer(disk.crashed(KEPT))
    assert again.start() == aof_load.OK
    assert again.contents() == {b"k": b"v" * 50}


def test_a_full_disk_under_always_ends_the_process_before_anything_is_acknowledged() -> None:
    disk = SimulatedDisk()
    server = MiniServer(disk, appendfsync="always")
    server.start()
    disk.room = 0
    server.execute(b"SET", b"k", b"v")
    server.end_turn()
    assert server.exits == [1]


@pytest.mark.parametrize("policy", ["everysec", "no", "always"])
def test_a_sync_that_fails_is_tried_again_until_one_succeeds(policy: str) -> None:
    """Without a write in between: they are refused. CONFIG SET appendfsync meanwhile does not matter."""
    disk = SimulatedDisk()
    server = MiniServer(disk, appendfsync="everysec")
    server.aof.background = BackgroundSync(disk, server.log)
    server.start()
    disk.sync_error = 5
    server.seconds += 10
    server.execute(b"SET", b"k", b"v")
    server.end_turn()
    server.aof.background.drain()
    assert server.aof.refusal() == "Input/output error" and server.aof.last_write_status == "err"
    server.config.store("appendfsync", policy)
    for _ in range(3):
        server.seconds += 1
        server.aof.tick()
        server.aof.background.drain()
        assert server.aof.refusal() == "Input/output error"
    disk.sync_error = 0
    server.aof.tick()
    server.aof.background.drain()
    assert server.aof.refusal()                    # once a second is enough
    server.seconds += 1
    server.aof.tick()
    server.aof.background.drain()
    assert not server.aof.refusal() and server.aof.last_write_status == "ok"
    told = [line for line in server.log.lines if "fsync" in line]
    assert [line[:30] for line in told] == ["Fail to fsync the AOF file: In", "AOF fsync error looks solved, "]
    again = MiniServer(disk.crashed(LOST))
    again.start()
    assert again.contents() == {b"k": b"v"} and not server.exits


def test_a_write_waits_two_seconds_for_a_slow_sync_and_no_longer() -> None:
    disk = SimulatedDisk()
    server = MiniServer(disk, appendfsync="everysec")
    server.start()
    server.seconds += 10
    server.execute(b"SET", b"k", b"1")
    server.end_turn()                              # written, and its sync has begun and takes long
    for times in (1, 2):                           # what is written next waits anew
        written = server.aof.incr_size
        server.execute(b"SET", b"k", b"%d" % times)
        server.end_turn()
        server.seconds += 1
        server.aof.tick()
        assert server.aof.incr_size == written and server.aof.delayed_syncs == times - 1
        server.seconds += 1
        server.aof.tick()
        assert server.aof.incr_size > written and server.aof.delayed_syncs == times
    assert "Asynchronous AOF fsync is taking too long" in server.log.lines[-1]


def test_what_waits_for_a_sync_is_written_once_that_is_done() -> None:
    disk = SimulatedDisk()
    server = MiniServer(disk, appendfsync="everysec")
    server.start()
    server.seconds += 10
    for number in (b"1", b"2", b"3"):              # the first is written and synced; the others wait for that
        server.execute(b"SET", b"k", number)
        server.end_turn()
    written = server.aof.incr_size
    assert server.aof.sink.pending
    server.aof.background.finish()
    server.aof.tick()
    assert server.aof.incr_size > written and not server.aof.sink.pending and server.aof.delayed_syncs == 0
    assert not server.aof.background.pending       # one sync a second is enough ...
    server.seconds += 1
    server.aof.tick()
    assert server.aof.background.pending           # ... and the last writes get theirs without another one


@pytest.mark.parametrize("policy", ["no", "always"])
def test_only_everysec_waits_for_a_sync(policy: str) -> None:
    disk = SimulatedDisk()
    server = MiniServer(disk, appendfsync=policy)
    server.start()
    server.aof.background.pending = 1
    server.execute(b"SET", b"k", b"1")
    server.end_turn()
    assert not server.aof.sink.pending


def test_the_end_waits_for_no_sync() -> None:
    disk = SimulatedDisk()
    server = MiniServer(disk, appendfsync="everysec")
    server.start()
    server.seconds += 10
    for number in (b"1", b"2"):
        server.execute(b"SET", b"k", number)
        server.end_turn()
    server.aof.finish()
    again = MiniServer(disk.crashed(LOST))
    again.start()
    assert again.contents() == {b"k": b"2"}


# ---- rewrites that fail
def test_rewrites_that_fail_again_and_again_wait_longer_and_longer() -> None:
    server = MiniServer(SimulatedDisk())
    server.start()
    for _ in range(3):
        assert server.aof_rewrite.start()
        server.child.finish(code=1)
    rewrite = server.aof_rewrite
    rewrite.scheduled = True
    rewrite.tick()
    assert not rewrite.in_progress and "will retry in 1 minutes" in server.log.lines[-1]
    server.seconds += 61
    rewrite.tick()
    assert rewrite.in_progress
    server.child.finish(code=1)
    rewrite.scheduled = True
    rewrite.tick()
    assert "will retry in 2 minutes" in server.log.lines[-1]


def test_a_base_of_commands_rebuilds_every_type() -> None:
    server = MiniServer(SimulatedDisk())
    server.start()
    for i in range(200):
        server.execute(b"RPUSH", b"list", b"%d" % i)
        server.execute(b"SADD", b"set", b"m%d" % i)
        server.execute(b"ZADD", b"zset", b"%.1f" % (i / 3), b"m%d" % i)
        server.execute(b"HSET", b"hash", b"f%d" % i, b"")
        server.execute(b"XADD", b"stream", b"%d-1" % (i + 1), b"f", b"%d" % i)
    server.execute(b"XADD", b"empty", b"5-5", b"f", b"v")
    server.execute(b"XDEL", b"empty", b"5-5")
    server.execute(b"XGROUP", b"CREATE", b"stream", b"g", b"0")
    server.execute(b"XREADGROUP", b"GROUP", b"g", b"c", b"COUNT", b"3", b"STREAMS", b"stream", b">")
    server.execute(b"SET", b"volatile", b"x", b"PXAT", b"33177117420000")
    other = MiniServer(SimulatedDisk())
    other.start()
    wire: list[bytes] = []
    writer = CommandWriter(server.keyspace, wire.append)
    writer.begin()
    while writer.step(3):
        pass
    writer.finish()
    reader = AofReader(io.BytesIO(b"".join(wire)))
    while (argv := reader.next()) is not None:
        other.replay.run(argv)
    assert keyspace_digest(other.keyspace) == keyspace_digest(server.keyspace)
    group = other.keyspace.databases[0].view(b"stream").group(b"g")
    assert group.pending_count == 3 and group.last_id == (3, 1)
    assert not [line for line in other.log.lines if "CRITICAL" in line]
