# cython: language_level=3
"""The one door: whether a command may take its fast path, and what follows when it did.

Commands come from a socket's batch (loop), from a transaction (fastpath_transaction), from a script
(scripting.redis_api), from a file (replay_fast) and from our master. All of them ask `may_pass`, call the fast path, and
say `passed`; each place only says what it need not ask about:

    place         client.slow     conditions.all      conditions.writes       memory
    SOCKET        all             all                 all                     asked
    WAKING        all             all                 not WATCHED, BLOCKED    asked
    AGAIN         not AGAIN_ASKED not PAUSED, MONITORS all                    asked
    IN_EXEC       not MULTI, ..   all                 all                     EXEC was asked
    IN_SCRIPT     all             not its own script  all                     asked at the script's start
    FROM_FILE     all             not LOADING, DISK   WATCHED, BLOCKED alone  not asked
    FROM_MASTER   not the link    not STALE, DISK ..  WATCHED, BLOCKED alone  not asked

A node of a cluster (CLUSTER) asks whose slot it is, `serves`: for a socket, and for a script's own calls. Of what EXEC
runs EXEC was asked; a file and our master are believed.

A condition that concerns one key or one client must not slow the others: it is *asked*. Bits of WRITES_ASKED do not
decline; `nobody_minds` then looks whether this command's keys are among those that somebody watches or waits for. A
client whose user may not do everything (SLOW_RESTRICTED) passes when its permissions say yes (`acl.permissions`). Who
tracks, or hears for one that does, who wants no replies, leaves no traces of access, may only manage subscriptions or say
who it is, and everybody while only writes are paused or somebody monitors, comes to the door a second time (`pass_again`),
so that the others are asked nothing; where EXEC and scripts let a tracking client in, they tell client-side caching what
was read, as that does.
Where a slot is not simply ours (`cluster.slot_table`) the gate decides, and knows the redirect.

`ungated` is the same question about the gates: whether none of them could refuse a command, so that it can be queued or
run without asking them one by one.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.acl.permissions cimport permits, permits_key
from server.clients.client cimport (SLOW_LINK, SLOW_MULTI, SLOW_NO_TOUCH, SLOW_REPLY_MODE, SLOW_RESTRICTED,
                                    SLOW_STRANGER, SLOW_SUBSCRIBED, SLOW_TRACKING, Client)
from server.cluster.slot_table cimport slot_is_open
from server.dispatch.conditions cimport (DISK_FAILS, SLOW_BLOCKED_CLIENTS, SLOW_CLUSTER, SLOW_DISK, SLOW_EXPIRED_KEPT, SLOW_FEW_REPLICAS,
                                         SLOW_LOADING, SLOW_MONITORS, SLOW_PAUSED, SLOW_READONLY, SLOW_SCRIPT, SLOW_STALE,
                                         SLOW_WATCHED, state)
from server.dispatch.evicting cimport has_room, make_room
from server.dispatch.record cimport RULE_GATED, RULE_ONE_KEY, Record
from server.dispatch.sampling cimport Countdown
from server.registry.clock cimport ticks

cdef enum Place:
    SOCKET
    WAKING                             # from a socket, too: what somebody waits for, and who does is served then
    AGAIN                              # from a socket, too: for the second time
    IN_EXEC
    IN_SCRIPT
    FROM_FILE
    FROM_MASTER

cdef enum:
    # At the second time: of Client.slow, and of conditions.all.
    AGAIN_ASKED = SLOW_TRACKING | SLOW_REPLY_MODE | SLOW_NO_TOUCH | SLOW_SUBSCRIBED | SLOW_STRANGER
    AGAIN_ASKED_OF_ALL = SLOW_PAUSED | SLOW_MONITORS
    WRITES_ASKED = SLOW_WATCHED | SLOW_BLOCKED_CLIENTS
    # Conditions for which no gate asks, or that are asked apart; while any other is in force, all gates of a command are.
    UNGATED = SLOW_MONITORS | SLOW_EXPIRED_KEPT | SLOW_CLUSTER
    GATED_WRITES = SLOW_READONLY | SLOW_DISK | SLOW_FEW_REPLICAS

cdef enum:
    NO_SLOT = -1

cdef struct Door:
    uint64_t commands                  # that took their fast path, since the start or CONFIG RESETSTAT
    int slot                           # of the keys that `serves` or `serves_words` looked at last; NO_SLOT: there were none
    double ns_per_tick
    bint reads_go_on                   # while clients are paused (SLOW_PAUSED): those who change nothing are not ...
    bint other_slots_go_on             # ... nor those who change what is of no slot that is held (SLOT_HELD)

cdef Door door
cdef Countdown* sampling_

cdef bint serves(PyObject* record, Client client, Batch* b, Request* r) noexcept
    # of a cluster: whether this node serves the slot of the command's keys; no: the gate decides. O(keys)
cdef bint serves_words(Record record, Client client, list argv) noexcept   # the same of words; no also where it would cost more than the gate
cdef bint nobody_minds(Client client, Batch* b, Request* r) noexcept       # of a write's keys, none is watched or waited for
cdef int note_passed(Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes, bint logged) except -1
    # it was slow (slow log, latency monitor), or is the one to be noted
cdef bint pass_again(PyObject* record, Client client, Batch* b, Request* r, uint64_t* before, size_t written) except -1
    # who comes_again: may_pass, the fast path, passed, and what follows from why. written: reply bytes before. 1: it did
cdef int note_sample(Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes) except -1       # hot keys

cdef inline bint is_slow(uint64_t ns) noexcept:
    """For the slow log."""
    return <int64_t>ns >= state.slow_log_ns and state.slow_log_ns >= 0

cdef inline bint fits(PyObject* record, uint32_t words) noexcept:
    """Arity."""
    return (<int>words == (<Record>record).arity
            or <int>words >= -(<Record>record).arity and (<Record>record).arity < 0)

cdef bint passes_asked(PyObject* record, Client client, Batch* b, Request* r, uint32_t client_unasked,
                       uint32_t unasked) noexcept
    # whether nothing speaks against it but what is asked of the user's rights and of the slot, and these say yes

cdef inline bint serves_plainly(PyObject* record, Client client, Request* r) noexcept:
    """The same in short of what nearly all clients of a cluster say: one key, of a slot that is ours, which the lane has
    found (request_slots); no: it is asked at length."""
    if client.slow | state.all ^ SLOW_CLUSTER or not (<Record>record).rules & RULE_ONE_KEY:
        return False
    door.slot = r.slot
    return slot_is_open(r.slot)

cdef inline bint permits_plainly(PyObject* record, Client client, Batch* b, Request* r) noexcept:
    """The same in short of what nearly all restricted users say."""
    return (client.slow == SLOW_RESTRICTED and not state.all and 1 < r.arg_count <= (<Record>record).needs.plain_words
            and permits_key(client.permissions, &(<Record>record).needs, arg_at(b, r, 1), arg_length(b, r, 1)))

cdef inline bint is_permitted(PyObject* record, Client client, Batch* b, Request* r) noexcept:
    """Whether the client's user may call it for all that can be told here; no: the gate decides."""
    return not client.slow & SLOW_RESTRICTED or permits(client.permissions, &(<Record>record).needs, b, r)

cdef inline bint may_pass(PyObject* record, Client client, Batch* b, Request* r, Place place) noexcept:
    """Whether the fast path may be asked; record: r.record, NULL for an unknown command. `place` is a constant."""
    cdef uint32_t client_unasked = (SLOW_MULTI | SLOW_TRACKING if place == IN_EXEC
                                    else AGAIN_ASKED if place == AGAIN else SLOW_TRACKING if place == IN_SCRIPT
                                    else SLOW_LINK if place == FROM_MASTER else 0)
    cdef uint32_t unasked = (AGAIN_ASKED_OF_ALL if place == AGAIN else SLOW_SCRIPT if place == IN_SCRIPT
                             else SLOW_CLUSTER if place == IN_EXEC
                             else SLOW_LOADING | DISK_FAILS | SLOW_CLUSTER if place == FROM_FILE
                             else SLOW_STALE | DISK_FAILS | SLOW_EXPIRED_KEPT | SLOW_CLUSTER if place == FROM_MASTER else 0)
    cdef uint32_t writes = (state.writes & WRITES_ASKED if place >= FROM_FILE
                            else state.writes & ~<uint32_t>WRITES_ASKED if place == WAKING else state.writes)
    return (record != NULL and (<Record>record).fast != NULL
            and (not (client.slow & ~client_unasked | state.all & ~unasked)
                 or place == SOCKET and (serves_plainly(record, client, r) or permits_plainly(record, client, b, r))
                 or passes_asked(record, client, b, r, client_unasked, unasked))
            and (not (<Record>record).write
                 or ((writes == 0 or (not writes & ~<uint32_t>WRITES_ASKED and nobody_minds(client, b, r)))
                     and (place > AGAIN or has_room() or make_room())))
            and fits(record, r.arg_count))

cdef inline bint comes_again(Client client) noexcept:
    """Whether to ask a second time when the door said no."""
    return client.slow & AGAIN_ASKED or state.all & AGAIN_ASKED_OF_ALL

cdef inline int passed(PyObject* record, Client client, Batch* b, Request* r, uint64_t* before, size_t bytes,
                       bint logged) except -1:
    """The fast path did it, since ticks() said `before`, which becomes when the next one begins. bytes: of request and
    reply. logged: whether it may stand in the slow log by itself."""
    cdef uint64_t after = ticks()
    cdef uint64_t ns = <uint64_t><int64_t>(<double><int64_t>(after - before[0]) * door.ns_per_tick)
    before[0] = after
    (<Record>record).account(ns, state.track_latency)
    door.commands += 1
    sampling_.left -= 1
    if sampling_.left == 0 or logged and is_slow(ns):
        note_passed(client, b, r, ns, bytes, logged)
        before[0] = ticks()            # the next command did not spend that
    return 0

cdef int passed_apart(PyObject* record, Client client, Batch* b, Request* r, uint64_t* before, size_t bytes) except -1
    # `passed` out of line: where a file says `passed` once, the compiler puts it there, which is worth 25 instructions
cdef bint may_pass_from_master(PyObject* record, Client client, Batch* b, Request* r) noexcept     # `may_pass`, likewise

cdef inline bint ungated(Record record, Client client, uint32_t client_unasked) noexcept:
    """Whether no gate can refuse the command, memory and slots apart."""
    return not (record.rules & RULE_GATED or client.slow & ~(client_unasked | SLOW_TRACKING)
                or state.all & ~<uint32_t>UNGATED or (record.write and state.writes & GATED_WRITES))
