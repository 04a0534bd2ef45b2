# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cpython.ref cimport PyObject

from server.acl.permissions cimport read_needs
from server.dispatch.folded cimport FOLDED_MAX, fold_name

from server.registry.command import (ADMIN, ASKING, COMMANDS, DENYOOM, MAY_REPLICATE, NOSCRIPT, NO_MULTI, PROTECTED,
                                     READONLY, SKIP_MONITOR, TOUCHES_ARBITRARY_KEYS, WRITE, every_command)

# What is not queued inside MULTI.
_NOT_QUEUED = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})
# Groups of commands that work on keys: none of them changes how a client is answered. And others of which that is true.
_OF_KEYS = frozenset({"string", "list", "hash", "set", "sorted_set", "stream", "generic", "bitmap", "hyperloglog", "geo"})
_LIKE_THEM = frozenset({"ping", "echo", "select", "publish"})
# What a RESP2 client with subscriptions may say.
OF_SUBSCRIBERS = frozenset({"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "ping",
                            "quit", "reset"})
# Whose words nobody is shown: its definition writes others over them.
_SECRET = frozenset({"auth"})

cdef enum:
    TABLE_SIZE = 2048                  # names longer than FOLDED_MAX are looked up through Python
    SUBCOMMANDS_SIZE = 1024
    FIRST_BOUND_NS = 1024              # of latency_by_powers

cdef struct Slot:
    void* container                    # of a subcommand, its container's record
    uint64_t head                      # the folded name: its first and its last eight bytes ...
    uint64_t tail
    size_t length                      # ... which with the length say all of it
    PyObject* record

cdef Slot _table[TABLE_SIZE]
cdef Slot _subcommands[SUBCOMMANDS_SIZE]
cdef dict _long_names = {}
cdef list _records = []


def _key_range(command):
    keys = command.keys
    by_reader = keys.reader is not None and not any("variable_flags" in spec.flags for spec in keys.specs)     # BITFIELD's knows flags
    if keys.movable or by_reader or any(sub.keys.specs or sub.keys.reader for sub in command.subcommands.values()):
        return 0, 0, 0
    first, last, step = keys.legacy_range
    return (first, last, step) if first else (-1, 0, 0)


cdef bint _reads_keys(command) except -1:
    """Scripts do not: the commands that they call are remembered for themselves."""
    if not command.flags & READONLY or command.group == "scripting":
        return False
    keys = command.keys
    return keys.specs or keys.reader is not None


cdef uint32_t _rules(command) except 0xFFFFFFFF:
    cdef uint32_t rules = 0
    cdef uint64_t flags = command.flags
    cdef uint64_t unqueued = NO_MULTI | PROTECTED, spreads = WRITE | MAY_REPLICATE
    cdef uint64_t skipped = SKIP_MONITOR | ADMIN, loose = TOUCHES_ARBITRARY_KEYS, asking = ASKING, unscripted = NOSCRIPT
    cdef str name = command.name
    cdef dict subcommands = command.subcommands
    plain = command.function is not None and not subcommands
    if plain and not flags & unqueued and (command.group in _OF_KEYS or name in _LIKE_THEM):
        rules |= RULE_QUEUED
    if name in _NOT_QUEUED:
        rules |= RULE_NOT_QUEUED
    if name == "exec":
        rules |= RULE_EXEC
    if flags & spreads:
        rules |= RULE_SPREADS
    if flags & skipped:
        rules |= RULE_SKIP_MONITOR
    if flags & loose:
        rules |= RULE_LOOSE
    if flags & asking:
        rules |= RULE_ASKING
    if flags & unscripted:
        rules |= RULE_NOSCRIPT
    if name in OF_SUBSCRIBERS:
        rules |= RULE_SUBSCRIBED
    if name in _SECRET:
        rules |= RULE_SECRET
    if command.gated:
        rules |= RULE_GATED
    for one in (command, *subcommands.values()):
        if _reads_keys(one):
            rules |= RULE_REMEMBERED
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
        if self.first_key == self.last_key == 1:
            self.rules |= RULE_ONE_KEY
        read_needs(command, &self.needs)

    def __dealloc__(self):
        free(self.latency)

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
                    found.append((bucket_end(i), self.latency[i]))
        return found

    def latency_by_powers(self) -> list[tuple[int, int]]:
        """(microseconds, calls that took at most so long) for each power of two of nanoseconds that some took, ascending:
        as Redis prints them, whose histogram counts in steps of 1/128, so that its classes end a little above the power."""
        cdef uint64_t bound = FIRST_BOUND_NS, below = 0, total = 0, upper
        cdef int i
        cdef list found = []
        if self.latency == NULL:
            return found
        for i in range(LATENCY_BUCKETS):
            if self.latency[i] == 0:
                continue
            upper = bucket_end(i)
            if upper >= bound and total > below:
                found.append(((bound + bound // 128 - 1) // 1000, total))
                below = total
            while upper >= bound:
                bound *= 2
            total += self.latency[i]
        if total:
            found.append(((bound + bound // 128 - 1) // 1000, total))
        return found

    cpdef void reset_latency(self) noexcept:
        free(self.latency)
        self.latency = NULL


cdef void _remember(uint64_t name, size_t length, void* record) noexcept:
    last_spelling.name = name
    last_spelling.length = length
    last_spelling.record = record


cdef inline uint32_t _slot_of(uint64_t head, uint64_t tail, size_t length) noexcept:
    return <uint32_t>(((head ^ (tail * 0x9FB21C651E98DF25ULL) ^ length) * 0x9E3779B97F4A7C15ULL) >> 53)


cdef void* record_pointer(const char* name, size_t length) noexcept:
    cdef uint64_t head, tail
    cdef uint32_t at
    if length > FOLDED_MAX or length == 0:
        return _long_name(name, length)
    fold_name(name, length, &head, &tail)
    at = _slot_of(head, tail, length)
    while _table[at].record != NULL:
        if _table[at].head == head and _table[at].tail == tail and _table[at].length == length:
            if length <= SHORT_NAME:
                _remember(short_name(name, length), length, _table[at].record)
            return <void*>_table[at].record
        at = (at + 1) & (TABLE_SIZE - 1)
    return NULL


cdef inline uint32_t _subcommand_slot(void* container, uint64_t head, uint64_t tail, size_t length) noexcept:
    return _slot_of(head ^ <uint64_t>container, tail, length) & (SUBCOMMANDS_SIZE - 1)


cdef void* subcommand_pointer(void* container, const char* name, size_t length) noexcept:
    cdef uint64_t head, tail
    cdef uint32_t at
    if length > FOLDED_MAX or length == 0:
        return container
    fold_name(name, length, &head, &tail)
    at = _subcommand_slot(container, head, tail, length)
    while _subcommands[at].record != NULL:
        if (_subcommands[at].head == head and _subcommands[at].tail == tail and _subcommands[at].length == length
                and _subcommands[at].container == container):
            return <void*>_subcommands[at].record
        at = (at + 1) & (SUBCOMMANDS_SIZE - 1)
    return container


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
    memset(_subcommands, 0, sizeof(_subcommands))
    _remember(0, SHORT_NAME + 1, NULL)
    _long_names.clear()
    _records.clear()
    for command in every_command():
        if command.record is None:
            command.record = Record(command)
        _records.append(command.record)
    for command in COMMANDS.values():
        if command.subcommands:
            (<Record>command.record).subcommands = {
                spelled.encode("latin-1"): sub.record for title, sub in command.subcommands.items()
                for spelled in (title, title.upper())}
            (<Record>command.record).prefetch = AHEAD_SUBCOMMAND
            for title, sub in command.subcommands.items():
                _enter_subcommand(command.record, title.encode("latin-1").lower(), sub.record)
    for title, command in COMMANDS.items():
        name = title.encode("latin-1").lower()
        if not 0 < len(name) <= FOLDED_MAX:
            _long_names[name] = command.record
        else:
            _enter(name, command.record)


cdef int _enter(bytes name, record) except -1:
    cdef uint64_t head, tail
    cdef uint32_t at
    fold_name(name, len(name), &head, &tail)
    at = _slot_of(head, tail, len(name))
    while _table[at].record != NULL:
        at = (at + 1) & (TABLE_SIZE - 1)
    _table[at] = Slot(NULL, head, tail, len(name), <PyObject*>record)
    return 0


cdef int _enter_subcommand(container, bytes name, record) except -1:
    """Longer names are looked up through Python."""
    cdef uint64_t head, tail
    cdef uint32_t at
    if not 0 < len(name) <= FOLDED_MAX:
        return 0
    fold_name(name, len(name), &head, &tail)
    at = _subcommand_slot(<void*><PyObject*>container, head, tail, len(name))
    while _subcommands[at].record != NULL:
        at = (at + 1) & (SUBCOMMANDS_SIZE - 1)
    _subcommands[at] = Slot(<void*><PyObject*>container, head, tail, len(name), <PyObject*>record)
    return 0


def used_records() -> list[Record]:
    """Those whose command was called, or refused, since the start or CONFIG RESETSTAT."""
    cdef Record record
    return [record for record in _records if record.calls or record.rejected or record.failed]


def all_records() -> list[Record]:
    """Every record, subcommands included."""
    return list(_records)


def reset_records() -> None:
    """CONFIG RESETSTAT: of all commands, subcommands included."""
    cdef Record record
    for record in _records:
        if record.calls | record.rejected | record.failed | record.nanoseconds:
            record.calls = record.rejected = record.failed = record.nanoseconds = 0
            record.reset_latency()
