# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of replication: WAIT of a client, and the question of a master that somebody waits at (REPLCONF GETACK)."""
from libc.stdint cimport int64_t

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport write_integer
from server.clients.client cimport CLIENT_DENY_BLOCKING, CLIENT_FAKE, CLIENT_MASTER, CLIENT_SCRIPT, Client
from server.dispatch.conditions cimport state
from server.dispatch.door cimport door
from server.dispatch.loop cimport Loop
from server.dispatch.record cimport Op, Record
from server.dispatch.shapes cimport by_hand, is_word, propagation_
from server.replication.waiting cimport Waiter, Waiting, new_waiter, waiting_
from server.structures.block_stream cimport TO_REPLICAS

cdef int64_t _LOGGED_NS = 1000000      # a slow log that notes what is quicker than this asks how long waiting lasts


cdef int _wait(Client c, Batch* b, Request* r) except -1:
    """Of a master's client. What has to wait counts when that is over, and not when it passed the door."""
    cdef int64_t wanted, patience, offset, have
    if (c.state & (CLIENT_DENY_BLOCKING | CLIENT_SCRIPT | CLIENT_FAKE) or c.subscriptions is not None
            or not propagation_.audience & TO_REPLICAS or not isinstance(c.loop, Loop)
            or not parse_int64(arg_at(b, r, 1), arg_length(b, r, 1), &wanted)
            or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &patience) or patience < 0
            or patience > <int64_t>1 << 50):
        return 0
    if c.written > propagation_.stream.offset:         # in this turn
        propagation_.flush()
    offset = min(c.written, propagation_.stream.offset)
    have = waiting_.acknowledged_by(offset)
    if have >= wanted:
        write_integer(&c.out, have)
        return 1
    if 0 <= state.slow_log_ns < _LOGGED_NS:
        return 0
    waiting_.add(new_waiter(c, (<Record>r.record).command, offset, wanted), patience)
    (<Record>r.record).calls -= 1
    door.commands -= 1
    return 1


cdef int _replconf(Client c, Batch* b, Request* r) except -1:
    """GETACK: the bytes of this batch do not count yet."""
    cdef Op op
    op.b, op.r = b, r
    if not c.state & CLIENT_MASTER or r.arg_count != 3 or not is_word(&op, 1, "getack", 6) or not isinstance(c.loop, Loop):
        return 0
    following = (<Loop>c.loop).server.replication.following
    if following is not None:
        following.asked = True
    return 1


by_hand("wait", _wait, False)
by_hand("replconf", _replconf, False)
