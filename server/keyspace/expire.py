"""Expired keys that nobody asks for: the active expire cycle. (Those that are asked for go on access, in `database`.)

The cycle looks at a few keys with an expire, deletes those whose time has come, and repeats in the same database while
more than about 10 % of what it looked at was stale. So a database in which little expires costs next to nothing, and
one in which everything does is cleaned as fast as the limits allow. There are two:

    slow cycle   from the cron, `hz` times a second; may use 25 % of the time between two ticks
    fast cycle   before the loop sleeps; 1 ms at most, and only while the slow cycle cannot keep up

active-expire-effort 1..10 raises both limits, looks at more keys at once and tolerates fewer stale ones. A replica
deletes nothing by itself: its master sends DEL.
"""

from collections.abc import Callable

from server.config.config import Config
from server.keyspace.database import Database, Keyspace
from server.keyspace.effects import Effects, Propagates
from server.registry import clock

Attend = Callable[[Callable[[], bool], bool], object]

DATABASES_PER_CALL = 16
KEYS_PER_LOOP = 20              # looked at before the share of stale ones is judged
FAST_US = 1000
SLOW_PERCENT = 25               # of the time between two ticks
ACCEPTABLE_STALE = 10           # percent of the keys looked at
BUCKETS_PER_KEY = 20            # buckets that may be searched for each key wanted
NEW_SAMPLE = 0.05               # weight of the latest cycle in the share of stale keys
ALL = 1 << 62                   # buckets or keys to look at: once round the table
NOTHING_STALE = 0.01            # percent: INFO shows hundredths


def on_expired(effects: Effects, propagation: Propagates, config: Config) -> Callable[[Database, bytes], None]:
    """What the keyspace calls after it removed an expired key: the "expired" event, watchers, then AOF and replicas,
    which hear a DEL or (lazyfree-lazy-expire) an UNLINK."""

    def expired(db: Database, key: bytes) -> None:
        effects.changed(db, key, "expired")
        propagation.also(db, [b"UNLINK" if config.lazyfree_lazy_expire else b"DEL", key])

    return expired


class ActiveExpire:
    """Both cycles of one server. `enabled` is DEBUG SET-ACTIVE-EXPIRE; the counters are INFO's.

    attend(hook, yes): have `hook` called before the loop sleeps, or no more; hz(): ticks a second at the moment.
    """

    def __init__(self, config: Config, keyspace: Keyspace, attend: Attend, hz: Callable[[], int],
                 note_latency: Callable[[str, int], object]) -> None:
        self._config = config
        self._keyspace = keyspace
        self._attend = attend
        self._hz = hz
        self._note_latency = note_latency
        self.enabled = True
        self.reset_statistics()
        self._next_database = 0
        self._out_of_time = False           # the last cycle ended by its time limit
        self._last_fast_us = -(1 << 60)
        self._idle_cycles = 0               # slow cycles in a row without a key that expires

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.stale_percent = 0.0            # expired_stale_perc: an estimate of what is expired and still there
        self.time_cap_reached = 0           # expired_time_cap_reached_count
        self.cpu_milliseconds = 0           # expire_cycle_cpu_milliseconds, of ...
        self._used_us = 0                   # ... so many

    def slow(self) -> None:
        """The cycle of the cron. It is left out once the databases have been seen without any key that expires."""
        keyspace = self._keyspace
        self._idle_cycles = 0 if keyspace.expires_total() else self._idle_cycles + 1
        seen_all = self._idle_cycles * DATABASES_PER_CALL > len(keyspace.databases)
        if self._may_expire() and not (seen_all and self.stale_percent < NOTHING_STALE):
            percent = SLOW_PERCENT + 2 * self._effort
            self._run(max(percent * 1_000_000 // self._hz() // 100, 1))

    def fast(self) -> bool:
        """The cycle before sleep: attends the loop while the last cycle ran out of time or too many keys seem stale,
        and does not run again within twice its own length. Never keeps the loop awake (False)."""
        if not self._may_expire():
            return False
        limit = FAST_US + FAST_US // 4 * self._effort
        now = clock.monotonic_now_us()
        if now >= self._last_fast_us + 2 * limit:
            self._last_fast_us = now
            self._run(limit)
        return False

    def everything(self) -> None:
        """Delete all that is due, whatever time that takes (DEBUG CLOCK). Complexity: O(keys with an expire)."""
        if not self._may_expire():
            return
        for db in self._keyspace.databases:
            if db.expires:
                for key in db.expired_sample(ALL, ALL)[1]:
                    db.drop_expired(key)

    @property
    def _effort(self) -> int:
        """active-expire-effort from 0 to 9."""
        return int(self._config.active_expire_effort) - 1

    def _may_expire(self) -> bool:
        return self.enabled and not self._keyspace.keep_expired

    def _run(self, limit_us: int) -> None:
        """Go over the databases, from where the last call stopped, for so many microseconds at most."""
        start = clock.monotonic_now_us()
        databases = self._keyspace.databases
        count = len(databases) if self._out_of_time else min(DATABASES_PER_CALL, len(databases))
        self._out_of_time = False
        looked_total = expired_total = 0
        for _ in range(count):
            db = databases[self._next_database % len(databases)]
            self._next_database += 1
            looked, expired = self._clean(db, start + limit_us)
            looked_total += looked
            expired_total += expired
            if self._out_of_time:
                break
        elapsed = clock.monotonic_now_us() - start
        self._used_us += elapsed
        self.cpu_milliseconds = self._used_us // 1000
        self._note_latency("expire-cycle", elapsed // 1000)
        percent = 100 * expired_total / looked_total if looked_total else 0.0
        self.stale_percent = percent * NEW_SAMPLE + self.stale_percent * (1 - NEW_SAMPLE)
        behind = self._out_of_time or self.stale_percent >= ACCEPTABLE_STALE - self._effort
        self._attend(self.fast, behind)

    def _clean(self, db: Database, end_us: int) -> tuple[int, int]:
        """Sample one database until few enough are stale, or time is over: (keys looked at, keys deleted)."""
        per_loop = KEYS_PER_LOOP + KEYS_PER_LOOP // 4 * self._effort
        acceptable = ACCEPTABLE_STALE - self._effort
        looked_total = expired_total = 0
        while True:
            wanted = min(db.expires, per_loop)
            if wanted == 0:
                db.average_ttl = 0
                break
            clock.refresh()
            looked, stale, ttl_sum = db.expired_sample(wanted * BUCKETS_PER_KEY, wanted)
            for key in stale:
                db.drop_expired(key)
            looked_total += looked
            expired_total += len(stale)
            if looked > len(stale):
                _note_average_ttl(db, ttl_sum // (looked - len(stale)))
            if clock.monotonic_now_us() > end_us:
                self._out_of_time = True
                self.time_cap_reached += 1
                break
            if looked and len(stale) * 100 // looked <= acceptable:
                break
        return looked_total, expired_total


def _note_average_ttl(db: Database, sample_ms: int) -> None:
    """INFO's avg_ttl: a running average to which the newest sample adds 2 %."""
    average = int(db.average_ttl) or sample_ms
    db.average_ttl = average // 50 * 49 + sample_ms // 50
