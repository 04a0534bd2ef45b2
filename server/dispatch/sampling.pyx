# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
import os

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.client cimport Client
from server.dispatch.record cimport RULE_EXEC, Record
from server.observe.hot_keys cimport HotKeys
from server.observe.slot_uses cimport SlotUses
from server.structures.crc16 cimport key_hash_slot

from server.registry.command import find as find_command

cdef enum:
    CAPACITY = 256                     # keys with a counter
    ALWAYS = 1                         # which of the two clocks a command is noted for
    SESSION = 2

HALF_LIFE = 10.0                       # seconds
cdef uint64_t NEVER = <uint64_t>-1
cdef Countdown _countdown
_countdown.left = NEVER


cdef Countdown* sampling_countdown() noexcept nogil:
    return &_countdown


cdef class Sampling:
    """One per server; the loop owns it."""

    def __cinit__(self):
        self.accesses = HotKeys(CAPACITY)
        self.random = int.from_bytes(os.urandom(8), "little") | 1
        self.set_to = NEVER
        _countdown.left = NEVER

    # ---- when
    cdef uint64_t gap(self, uint64_t every) noexcept:
        """1 to 2 * every - 1, so `every` in the mean."""
        if every <= 1:
            return 1
        self.random ^= self.random << 13
        self.random ^= self.random >> 7
        self.random ^= self.random << 17
        return 1 + (self.random >> 11) % (2 * every - 1)

    cdef void settle(self) noexcept:
        """Take from both clocks what has passed on the countdown."""
        cdef uint64_t passed = self.set_to - _countdown.left
        self.always_left -= passed if passed < self.always_left else self.always_left
        self.session_left -= passed if passed < self.session_left else self.session_left

    cdef void arm(self) noexcept:
        """Draw for clocks that have run out; the countdown goes to whichever is first."""
        self.set_to = NEVER
        if self.every:
            if self.always_left == 0:
                self.always_left = self.gap(self.every)
            self.set_to = self.always_left
        if self.session_every:
            if self.session_left == 0:
                self.session_left = self.gap(self.session_every)
            if self.session_left < self.set_to:
                self.set_to = self.session_left
        if self.slot_uses is not None:
            self.set_to = 1
        _countdown.left = self.set_to

    def sample(self, uint64_t every) -> None:
        """hot-keys-sample: note the keys of one command in so many; 0 is off and forgets what was noted."""
        self.settle()
        self.every = every
        self.always_left = 0
        if not every:
            self.accesses.clear()
            self.age_seconds = 0
        self.arm()

    def begin(self, uint64_t every, bint cpu, bint net, int capacity, slots=None) -> None:
        """HOTKEYS START: what was noted for the last session is forgotten."""
        self.settle()
        self.cpu = HotKeys(capacity) if cpu else None
        self.net = HotKeys(capacity) if net else None
        self.slots = slots
        self.sampled_ns = self.sampled_bytes = 0
        self.session_every = every
        self.session_left = 0
        self.arm()

    def end(self) -> None:
        """HOTKEYS STOP: what was noted stays."""
        self.settle()
        self.session_every = 0
        self.arm()

    # ---- slots
    def count_slots(self, bint yes) -> None:
        """cluster-slot-stats-enabled: note what each command used, for its slot; without it what was counted is
        forgotten."""
        if yes != (self.slot_uses is not None):
            self.settle()
            self.slot_uses = SlotUses() if yes else None
            self.arm()

    def slot_use(self, int slot) -> tuple[int, int, int]:
        """Microseconds, bytes of requests and bytes of replies of a slot's commands, as far as they were counted."""
        return (0, 0, 0) if self.slot_uses is None else self.slot_uses.use(slot)

    def busiest_slots(self, int most) -> list[int]:
        """The slots whose commands took most time, so many at most. Complexity: O(slots)."""
        return [] if self.slot_uses is None else self.slot_uses.busiest(most)

    def forget_slots(self, slots) -> None:
        """Count from 0 for these slots."""
        if self.slot_uses is not None:
            self.slot_uses.forget(slots)

    def fade(self, double seconds) -> None:
        """So much time has passed: earlier accesses count for less."""
        self.accesses.age(0.5 ** (seconds / HALF_LIFE))
        self.age_seconds += seconds

    def rate(self, double count) -> float:
        """Accesses per second of a key of `accesses` with this count: the mean of the last seconds, recent ones counting
        for more."""
        cdef double mean_life = HALF_LIFE / 0.6931471805599453
        return count / max(1.0, mean_life * (1 - 0.5 ** (self.age_seconds / HALF_LIFE)))

    # ---- what
    cdef int note(self, Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes, int judged) except -1:
        """The countdown is over: this command was executed, in so many nanoseconds, with so many bytes of request and
        reply. judged: the slot that was looked up last."""
        cdef int due
        self.settle()
        due = ((ALWAYS if self.every and self.always_left == 0 else 0)
               | (SESSION if self.session_every and self.session_left == 0 else 0))
        self.arm()
        if r.record == NULL:
            return 0
        if self.slot_uses is not None and b.connection != 0:       # what EXEC and scripts call is theirs
            self.note_slot(b, r, ns, bytes, judged)
        return self.note_keys(client, b, r, ns, bytes, due) if due else 0

    cdef int note_slot(self, Batch* b, Request* r, uint64_t ns, uint64_t bytes, int judged) except -1:
        """All keys of a command are of one slot."""
        cdef Record record = <Record>r.record
        cdef uint32_t i
        cdef int slot = -1
        if record.first_key > 0 and <uint32_t>record.first_key < r.arg_count:
            slot = key_hash_slot(arg_at(b, r, record.first_key), arg_length(b, r, record.first_key))
        elif record.first_key == 0:
            for i in self.found_in(b, r)[:1]:
                slot = key_hash_slot(arg_at(b, r, i), arg_length(b, r, i))
        elif record.rules & RULE_EXEC:
            slot = judged
        if slot >= 0:
            self.slot_uses.note(slot, ns, r.bytes_length, bytes - r.bytes_length)
        return 0

    cdef list found_in(self, Batch* b, Request* r):
        """Where keys stand that only their specifications tell."""
        cdef uint32_t i
        argv = [PyBytes_FromStringAndSize(arg_at(b, r, i), arg_length(b, r, i)) for i in range(r.arg_count)]
        command = find_command(argv)
        found = command.keys.references(argv) if command is not None and command.arity_fits(len(argv)) else None
        return [reference.position for reference in found or () if reference.position < r.arg_count]

    cdef int note_keys(self, Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes, int due) except -1:
        cdef Record record = <Record>r.record
        cdef uint32_t i, count, last
        if record.first_key < 0:
            return 0
        if record.first_key == 0:
            found = self.found_in(b, r)
            for i in found:
                self.note_key(client, arg_at(b, r, i), arg_length(b, r, i), len(found), ns, bytes, due)
            return 0
        if <uint32_t>record.first_key >= r.arg_count:
            return 0
        last = <uint32_t>record.last_key if record.last_key >= 0 else r.arg_count + record.last_key
        if last >= r.arg_count:
            last = r.arg_count - 1
        if last < <uint32_t>record.first_key:
            return 0
        count = (last - record.first_key) // record.key_step + 1
        i = record.first_key
        while i <= last:                   # range() with a step that is not constant would be Python's
            self.note_key(client, arg_at(b, r, i), arg_length(b, r, i), count, ns, bytes, due)
            i += record.key_step
        return 0

    cdef int note_key(self, Client client, const char* key, size_t length, double share, uint64_t ns, uint64_t bytes,
                      int due) except -1:
        """share: keys among which the command's time and bytes are divided. What was sampled stands for `every` times
        as much."""
        if due & ALWAYS:
            self.accesses.note(client.db.index, key, length, self.every)
        if due & SESSION and (self.slots is None or key_hash_slot(key, length) in self.slots):
            self.sampled_ns += ns / share
            self.sampled_bytes += bytes / share
            if self.cpu is not None:
                self.cpu.note(0, key, length, self.session_every * (ns / share))
            if self.net is not None:
                self.net.note(0, key, length, self.session_every * (bytes / share))
        return 0
