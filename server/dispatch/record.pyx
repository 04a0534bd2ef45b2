# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from cpython.ref cimport PyObject

from server.registry.command import COMMANDS, DENYOOM, WRITE, every_command

cdef enum:
    TABLE_SIZE = 2048
    NAME_MAX = 32                      # longer names are looked up through Python (renamed commands)

cdef struct Slot:
    char name[NAME_MAX]                # lower case, zero padded
    PyObject* record

cdef Slot _table[TABLE_SIZE]
cdef dict _long_names = {}
cdef list _records = []


cdef class Record:
    """Made once per command and subcommand by `build_records`."""

    def __cinit__(self, command):
        self.command = command
        self.arity = command.arity
        self.write = command.has(WRITE)
        self.deny_oom = command.has(DENYOOM)

    def __dealloc__(self):
        free(self.latency)

    cdef void account(self, uint64_t ns, bint tracking) noexcept:
        """One call that took so long. Complexity: O(1), a handful of instructions."""
        cdef int power
        cdef uint64_t v
        self.calls += 1
        self.nanoseconds += ns
        if tracking:
            if self.latency == NULL:
                self._first_latency()
            v = ns | 8
            power = 63 - __builtin_clzll(v)
            if power > 42:
                power = 42
                v = (<uint64_t>1 << 43) - 1
            self.latency[((power - 3) << 3) + ((v >> (power - 3)) & 7)] += 1

    cdef void _first_latency(self) noexcept:
        self.latency = <uint64_t*>calloc(LATENCY_BUCKETS, sizeof(uint64_t))

    def account_call(self, uint64_t ns, bint tracking=True) -> None:
        """The same for callers in Python."""
        self.account(ns, tracking)

    @property
    def microseconds(self) -> int:
        """Total time, microseconds."""
        return self.nanoseconds // 1000

    def latency_histogram(self) -> list[tuple[int, int]]:
        """(upper bound in nanoseconds, calls) of every bucket that has calls, ascending."""
        cdef int i
        found = []
        if self.latency != NULL:
            for i in range(LATENCY_BUCKETS):
                if self.latency[i]:
                    power = (i >> 3) + 3
                    found.append((((1 << power) | ((i & 7) << (power - 3))) + (1 << (power - 3)) - 1, self.latency[i]))
        return found

    def reset(self) -> None:
        """CONFIG RESETSTAT."""
        self.calls = self.rejected = self.failed = self.nanoseconds = 0
        self.reset_latency()

    def reset_latency(self) -> None:
        """Forget the histogram."""
        free(self.latency)
        self.latency = NULL


cdef extern from *:
    int __builtin_clzll(unsigned long long) nogil


cdef uint32_t _slot_of(const char* name) noexcept:
    cdef uint64_t a, b, c, d
    memcpy(&a, name, 8)
    memcpy(&b, name + 8, 8)
    memcpy(&c, name + 16, 8)
    memcpy(&d, name + 24, 8)
    return <uint32_t>(((a ^ (b * 31) ^ (c * 131) ^ (d * 313)) * <uint64_t>0x9E3779B97F4A7C15ULL) >> 53)


cdef inline void _lower(char* to, const char* name, size_t length) noexcept:
    cdef size_t i
    cdef char c
    for i in range(length):
        c = name[i]
        to[i] = c | 32 if c'A' <= c <= c'Z' else c


cdef void* record_pointer(const char* name, size_t length) noexcept:
    cdef char lowered[NAME_MAX]
    cdef uint32_t at
    if length > NAME_MAX:
        return _long_name(name, length)
    memset(lowered, 0, NAME_MAX)
    _lower(lowered, name, length)
    at = _slot_of(lowered)
    while _table[at].record != NULL:
        if memcmp(_table[at].name, lowered, NAME_MAX) == 0:
            return <void*>_table[at].record
        at = (at + 1) & (TABLE_SIZE - 1)
    return NULL


cdef void* _long_name(const char* name, size_t length) noexcept:
    record = _long_names.get(name[:length].lower())
    return NULL if record is None else <void*><PyObject*>record


cdef Record find_record(const char* name, size_t length):
    cdef void* found = record_pointer(name, length)
    return None if found == NULL else <Record>found


def build_records() -> None:
    """Make the native table from registry.command.COMMANDS (after rename-command). Call again to rebuild."""
    cdef Slot* slot
    cdef uint32_t at
    cdef bytes name
    cdef char lowered[NAME_MAX]
    memset(_table, 0, sizeof(_table))
    _long_names.clear()
    _records.clear()
    for command in every_command():
        if command.record is None:
            command.record = Record(command)
        _records.append(command.record)
    for title, command in COMMANDS.items():
        name = title.encode("latin-1").lower()
        if len(name) > NAME_MAX:
            _long_names[name] = command.record
            continue
        memset(lowered, 0, NAME_MAX)
        memcpy(lowered, <const char*>name, len(name))
        at = _slot_of(lowered)
        while _table[at].record != NULL:
            at = (at + 1) & (TABLE_SIZE - 1)
        memcpy(_table[at].name, lowered, NAME_MAX)
        _table[at].record = <PyObject*>command.record


def all_records() -> list[Record]:
    """Every record, subcommands included."""
    return list(_records)
