# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from cpython.ref cimport PyObject

from server.registry.command import (COMMANDS, DENYOOM, MAY_REPLICATE, NO_MULTI, PROTECTED, READONLY, SKIP_MONITOR,
                                     TOUCHES_ARBITRARY_KEYS, WRITE, every_command)

# What is not queued inside MULTI.
_NOT_QUEUED = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})
# Groups of commands that work on keys: none of them changes how a client is answered. And others of which that is true.
_OF_KEYS = frozenset({"string", "list", "hash", "set", "sorted_set", "stream", "generic", "bitmap", "hyperloglog", "geo"})
_LIKE_THEM = frozenset({"ping", "echo", "select", "publish"})

cdef enum:
    TABLE_SIZE = 2048
    NAME_MAX = 16                      # longer names are looked up through Python

cdef struct Slot:
    uint64_t head                      # the folded name: its first and its last eight bytes ...
    uint64_t tail
    size_t length                      # ... which with the length say all of it
    PyObject* record

cdef Slot _table[TABLE_SIZE]
cdef dict _long_names = {}
cdef uint64_t _last_name = 0           # the short name that was found last, as it was spelt
cdef size_t _last_length = 0
cdef PyObject* _last_record = NULL
cdef list _records = []


def _key_range(command):
    keys = command.keys
    by_reader = keys.reader is not None and not any("variable_flags" in spec.flags for spec in keys.specs)     # SET's knows flags
    if keys.movable or by_reader or any(sub.keys.specs or sub.keys.reader for sub in command.subcommands.values()):
        return 0, 0, 0
    first, last, step = keys.legacy_range
    return (first, last, step) if first else (-1, 0, 0)


def _reads_keys(command):
    """Scripts do not: the commands that they call are remembered for themselves."""
    return command.has(READONLY) and command.group != "scripting" and (command.keys.specs or command.keys.reader)


def _rules(command):
    cdef uint32_t rules = 0
    plain = command.function is not None and command.parent is None and not command.subcommands
    if plain and (command.group in _OF_KEYS or command.name in _LIKE_THEM) and not command.has(NO_MULTI | PROTECTED):
        rules |= RULE_QUEUED
    for bit, yes in ((RULE_NOT_QUEUED, command.name in _NOT_QUEUED), (RULE_EXEC, command.name == "exec"),
                     (RULE_SPREADS, command.has(WRITE | MAY_REPLICATE)), (RULE_SKIP_MONITOR, command.has(SKIP_MONITOR)),
                     (RULE_LOOSE, command.has(TOUCHES_ARBITRARY_KEYS)), (RULE_GATED, command.gated),
                     (RULE_REMEMBERED, any(map(_reads_keys, [command, *command.subcommands.values()])))):
        if yes:
            rules |= <uint32_t>bit
    return rules


cdef class Record:
    """Made once per command and subcommand by `build_records`."""

    def __cinit__(self, command):
        self.command = command
        self.function = command.function
        self.name_words = 1 if command.parent is None else 2
        self.rules = _rules(command)
        self.arity = command.arity
        self.write = command.has(WRITE)
        self.kind = 1 if self.write else 0 if command.has(READONLY) else 2
        self.deny_oom = command.has(DENYOOM)
        self.first_key, self.last_key, self.key_step = _key_range(command)

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


cdef inline uint64_t _folded(uint64_t word) noexcept:
    """Eight bytes with A-Z made lower case, all at once: bit 7 of each byte tells whether it is a capital."""
    cdef uint64_t low = word & 0x7F7F7F7F7F7F7F7FULL
    cdef uint64_t from_a = low + 0x3F3F3F3F3F3F3F3FULL
    cdef uint64_t beyond_z = low + 0x2525252525252525ULL
    return word | (((from_a & ~beyond_z & ~word) & 0x8080808080808080ULL) >> 2)


cdef inline void _fold(const char* name, size_t length, uint64_t* head, uint64_t* tail) noexcept:
    """The two words that stand for a name of 1 to 16 bytes."""
    cdef uint32_t a = 0, b = 0
    if length >= 8:
        memcpy(head, name, 8)
        memcpy(tail, name + length - 8, 8)
    elif length >= 4:
        memcpy(&a, name, 4)
        memcpy(&b, name + length - 4, 4)
        head[0] = a
        tail[0] = b
    else:
        head[0] = <uint8_t>name[0] | (<uint64_t><uint8_t>name[length >> 1] << 8)
        tail[0] = <uint8_t>name[length - 1]
    head[0] = _folded(head[0])
    tail[0] = _folded(tail[0])


cdef inline uint64_t _short(const char* name, size_t length) noexcept:
    """All of a name of 1 to 8 bytes; together with the length no other name has it."""
    cdef uint32_t a = 0, b = 0
    cdef uint64_t whole = 0
    if length == 8:
        memcpy(&whole, name, 8)
        return whole
    if length >= 4:
        memcpy(&a, name, 4)
        memcpy(&b, name + length - 4, 4)
        return a | (<uint64_t>b << 32)
    return (<uint8_t>name[0] | (<uint64_t><uint8_t>name[length >> 1] << 8) | (<uint64_t><uint8_t>name[length - 1] << 16))


cdef void _remember(uint64_t name, size_t length, PyObject* record) noexcept:
    global _last_name, _last_length, _last_record
    _last_name = name
    _last_length = length
    _last_record = record


cdef inline uint32_t _slot_of(uint64_t head, uint64_t tail, size_t length) noexcept:
    return <uint32_t>(((head ^ (tail * 0x9FB21C651E98DF25ULL) ^ length) * 0x9E3779B97F4A7C15ULL) >> 53)


cdef void* record_pointer(const char* name, size_t length) noexcept:
    """A pipeline mostly says the same command again, in the same letters: a short name is compared with the last one first."""
    cdef uint64_t head, tail
    cdef uint64_t raw = 0
    cdef uint32_t at
    if length > NAME_MAX or length == 0:
        return _long_name(name, length)
    if length <= 8:
        raw = _short(name, length)
        if raw == _last_name and length == _last_length:
            return <void*>_last_record
    _fold(name, length, &head, &tail)
    at = _slot_of(head, tail, length)
    while _table[at].record != NULL:
        if _table[at].head == head and _table[at].tail == tail and _table[at].length == length:
            if length <= 8:
                _remember(raw, length, _table[at].record)
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
    cdef uint32_t at
    cdef bytes name
    memset(_table, 0, sizeof(_table))
    _remember(0, 0, NULL)
    _long_names.clear()
    _records.clear()
    for command in every_command():
        if command.record is None:
            command.record = Record(command)
        _records.append(command.record)
    for command in COMMANDS.values():
        if command.subcommands:
            (<Record>command.record).subcommands = {
                title.encode("latin-1"): sub.record for title, sub in command.subcommands.items()}
    for title, command in COMMANDS.items():
        name = title.encode("latin-1").lower()
        if not 0 < len(name) <= NAME_MAX:
            _long_names[name] = command.record
        else:
            _enter(name, command.record)


cdef int _enter(bytes name, record) except -1:
    cdef uint64_t head, tail
    cdef uint32_t at
    _fold(name, len(name), &head, &tail)
    at = _slot_of(head, tail, len(name))
    while _table[at].record != NULL:
        at = (at + 1) & (TABLE_SIZE - 1)
    _table[at].head = head
    _table[at].tail = tail
    _table[at].length = len(name)
    _table[at].record = <PyObject*>record
    return 0


def all_records() -> list[Record]:
    """Every record, subcommands included."""
    return list(_records)
