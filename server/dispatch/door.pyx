# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Contains, PyDict_Size
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length, output_cut
from server.acl.permissions cimport Needs, find_keys
from server.clients.client cimport (CLIENT_BLOCKED, CLIENT_READONLY, CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP,
                                    CLIENT_REPLY_SKIP_NEXT, SLOW_NO_TOUCH, SLOW_REPLY_MODE, SLOW_STRANGER, SLOW_SUBSCRIBED,
                                    SLOW_TRACKING, Client)
from server.cluster.slot_table cimport (CLOSED, SLOT_COMING, SLOT_HELD, SLOT_LEAVING, SLOT_MASTERS, SLOT_MINE, slot_is_open,
                                               slot_table)
from server.dispatch.monitors cimport show_request
from server.dispatch.record cimport (RULE_ASKING, RULE_EXEC, RULE_SECRET, RULE_SKIP_MONITOR, RULE_SPREADS, RULE_SUBSCRIBED,
                                    Record)
from server.dispatch.sampling cimport Sampling, sampling_countdown
from server.dispatch.tracked cimport after_fast
from server.registry.clock cimport clock_state
from server.structures.crc16 cimport key_hash_slot
from server.structures.table cimport Entry, table_hash

from server.clients.pause import ALL, NONE, WRITES
from server.dispatch.conditions import slow_because

cdef bytes _SECRET = b"(redacted)"
cdef object _note_slow = None          # (client, command, argv, microseconds)
cdef Sampling _sampling = None

sampling_ = sampling_countdown()


def use(note_slow_of_server, Sampling sampling) -> None:
    """Where it is told that a command took long: note_slow(client, command, argv, microseconds); who notes hot keys."""
    global _note_slow, _sampling
    _note_slow, _sampling = note_slow_of_server, sampling
    door.ns_per_tick = 1000.0 / clock_state().ticks_per_us


def pause(int strength) -> None:
    """CLIENT PAUSE: NONE, SLOTS, WRITES or ALL of clients.pause."""
    slow_because("paused", strength != NONE)
    door.reads_go_on = strength < ALL
    door.other_slots_go_on = strength < WRITES


def passed_commands() -> int:
    """Commands that took their fast path since the start or the last reset."""
    return door.commands


def reset_passed() -> None:
    """CONFIG RESETSTAT."""
    door.commands = 0


# ---- whose slot it is
cdef bint _serves_some(PyObject* record, Client client, Batch* b, Request* r, uint32_t at, int slot) noexcept:
    """A slot of which not everything is served, for the key in argument `at`: keys of one that leaves, as long as they are
    here; what MIGRATE says, of one that comes; reading what is being handed over, and where our master's data are."""
    cdef uint32_t state_of_slot = slot_table.states[slot] | slot_table.closed
    if state_of_slot & CLOSED and slot_table.reads_when_closed and (<Record>record).kind == 0:
        state_of_slot &= ~<uint32_t>CLOSED
    if state_of_slot == SLOT_MINE:
        return True
    if state_of_slot == SLOT_MINE | SLOT_LEAVING:
        return client.db.find(arg_at(b, r, at), arg_length(b, r, at),
                              table_hash(arg_at(b, r, at), arg_length(b, r, at))) != NULL
    if state_of_slot == SLOT_MINE | SLOT_HELD:
        return not (<Record>record).rules & RULE_SPREADS
    if state_of_slot == SLOT_COMING:
        return (<Record>record).rules & RULE_ASKING and (<Record>record).first_key == (<Record>record).last_key
    return state_of_slot == SLOT_MASTERS and client.state & CLIENT_READONLY != 0 and (<Record>record).kind == 0


cdef inline bint _serves_key(PyObject* record, Client client, Batch* b, Request* r, uint32_t at) noexcept:
    """Argument `at` is a key; those before were of door.slot."""
    cdef int slot = key_hash_slot(arg_at(b, r, at), arg_length(b, r, at))
    if door.slot != NO_SLOT and slot != door.slot:
        return False
    door.slot = slot
    return slot_is_open(slot) or _serves_some(record, client, b, r, at, slot)


cdef inline bint _serves_part(PyObject* record, Client client, Batch* b, Request* r, int64_t at, int64_t end,
                              int step) noexcept:
    """Arguments `at` to `end` are keys."""
    while at <= end:
        if not _serves_key(record, client, b, r, <uint32_t>at):
            return False
        at += step
    return True


cdef bint passes_asked(PyObject* record, Client client, Batch* b, Request* r, uint32_t client_unasked,
                       uint32_t unasked) noexcept:
    return (not (client.slow & ~(client_unasked | SLOW_RESTRICTED) | state.all & ~(unasked | SLOW_CLUSTER))
            and is_permitted(record, client, b, r) and (not state.all & ~unasked or serves(record, client, b, r)))


cdef bint serves(PyObject* record, Client client, Batch* b, Request* r) noexcept:
    cdef int first = (<Record>record).first_key
    cdef const Needs* needs
    cdef int64_t at, end
    cdef int i
    door.slot = NO_SLOT
    if first > 0:
        if first == (<Record>record).last_key and <uint32_t>first < r.arg_count:
            return _serves_key(record, client, b, r, first)
        end = (<Record>record).last_key if (<Record>record).last_key >= 0 else <int64_t>r.arg_count + (<Record>record).last_key
        return end >= r.arg_count or _serves_part(record, client, b, r, first, end, (<Record>record).key_step)
    if first < 0:
        return True
    needs = &(<Record>record).needs
    if not needs.known:
        return False
    for i in range(needs.searches):
        if not find_keys(&needs.search[i], b, r, &at, &end):
            door.slot = NO_SLOT        # such words name no keys
            return True
        if at and not _serves_part(record, client, b, r, at, end, needs.search[i].step):
            return False
    return True


cdef bint serves_words(Record record, Client client, list argv) noexcept:
    cdef int at = record.first_key
    cdef int end, slot
    cdef bytes key
    door.slot = NO_SLOT
    if at < 0:
        return not record.rules & RULE_EXEC
    end = record.last_key if record.last_key >= 0 else <int>len(argv) + record.last_key
    if at == 0 or end >= len(argv):
        return False
    while at <= end:
        key = <bytes>argv[at]
        slot = key_hash_slot(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        if (door.slot != NO_SLOT and slot != door.slot) or not slot_is_open(slot):
            return False
        door.slot = slot
        at += record.key_step
    return True


def judged(int slot) -> None:
    """The gate has found a call to be for this slot, or NO_SLOT."""
    door.slot = slot


cdef bint nobody_minds(Client client, Batch* b, Request* r) noexcept:
    cdef Record record
    cdef uint32_t at, last
    cdef dict watched = client.db.watched
    cdef dict blocking = client.db.blocking
    if PyDict_Size(watched) == 0 and PyDict_Size(blocking) == 0:
        return True
    record = <Record>r.record
    if record.first_key <= 0 or <uint32_t>record.first_key >= r.arg_count:
        return False
    last = <uint32_t>record.last_key if record.last_key >= 0 else r.arg_count + record.last_key
    if last >= r.arg_count:
        last = r.arg_count - 1
    at = record.first_key
    while at <= last:
        key = PyBytes_FromStringAndSize(arg_at(b, r, at), arg_length(b, r, at))
        if PyDict_Contains(watched, key) or PyDict_Contains(blocking, key):
            return False
        at += record.key_step
    return True


cdef inline bint _goes_on(Record record) noexcept:
    """Whether a pause is not about a command, as far as that can be told without its keys: `serves` knows slots that are
    held. A script, and what names its keys in other ways, may write where nobody sees it here."""
    if record.rules & RULE_SPREADS:
        return door.other_slots_go_on and record.write and record.first_key > 0
    return door.reads_go_on


cdef bint pass_again(PyObject* record, Client client, Batch* b, Request* r, uint64_t* before, size_t written) except -1:
    cdef size_t replies = client.out.bytes
    if (record == NULL or state.all & SLOW_PAUSED and not _goes_on(<Record>record)
            or state.all & SLOW_MONITORS and (<Record>record).rules & (RULE_SKIP_MONITOR | RULE_SECRET)
            or client.slow & SLOW_STRANGER and not (<Record>record).needs.free
            or client.slow & SLOW_SUBSCRIBED and not (<Record>record).rules & RULE_SUBSCRIBED
            or client.slow & SLOW_REPLY_MODE and may_hear(client)
            or not may_pass(record, client, b, r, AGAIN) or not run_untouching(record, client, b, r)):
        return False
    if client.slow & SLOW_REPLY_MODE:
        output_cut(&client.out, replies)
        reply_unsaid(client)
    passed(record, client, b, r, before, r.bytes_length + client.out.bytes - written, True)
    if client.slow & SLOW_TRACKING:
        after_fast(client, b, r)
    if state.all & SLOW_MONITORS:
        show_request(client, b, r)
        before[0] = ticks()            # the next command did not spend that
    return True


cdef inline bint may_hear(Client client) noexcept:
    """Something that is no reply may stand among its output, and must not be cut out with that."""
    return client.slow & SLOW_TRACKING or client.subscriptions is not None


cdef inline void reply_unsaid(Client client) noexcept:
    """CLIENT REPLY SKIP was for this command, or is for what it waits for; OFF goes on."""
    if client.state & CLIENT_BLOCKED and client.state & CLIENT_REPLY_SKIP_NEXT:
        client.state |= CLIENT_REPLY_SKIP
    client.state &= ~<uint64_t>CLIENT_REPLY_SKIP_NEXT
    if not client.state & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP):
        client.slow &= ~<uint32_t>SLOW_REPLY_MODE


cdef bint run_untouching(PyObject* record, Client client, Batch* b, Request* r) except -1:
    """The fast path; with CLIENT NO-TOUCH as if nobody had accessed anything, TOUCH apart."""
    if not client.slow & SLOW_NO_TOUCH:
        return (<Record>record).fast(client, b, r)
    client.db.keyspace.no_touch = (<Record>record).command.name != "touch"
    try:
        return (<Record>record).fast(client, b, r)
    finally:
        client.db.keyspace.no_touch = False


cdef int note_passed(Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes, bint logged) except -1:
    cdef uint32_t i
    if logged and is_slow(ns):
        argv = [_SECRET if i and (<Record>r.record).rules & RULE_SECRET else
                PyBytes_FromStringAndSize(arg_at(b, r, i), arg_length(b, r, i)) for i in range(r.arg_count)]
        _note_slow(client, (<Record>r.record).command, argv, ns // 1000)
    return note_sample(client, b, r, ns, bytes) if sampling_.left == 0 else 0


cdef int note_sample(Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes) except -1:
    return _sampling.note(client, b, r, ns, bytes, door.slot)


cdef int passed_apart(PyObject* record, Client client, Batch* b, Request* r, uint64_t* before, size_t bytes) except -1:
    return passed(record, client, b, r, before, bytes, True)


cdef bint may_pass_from_master(PyObject* record, Client client, Batch* b, Request* r) noexcept:
    return may_pass(record, client, b, r, FROM_MASTER)
