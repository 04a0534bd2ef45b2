# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast path of PUBLISH. Who listens is Python's (clients.pubsub); what is saved is the way there.

Scripts go through the definition, which knows the read-only ones, and so does a client with subscriptions, whose own
messages come after its reply.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport write_integer
from server.clients.client cimport CLIENT_SCRIPT, Client
from server.dispatch.loop cimport Loop
from server.dispatch.shapes cimport by_hand, is_passed_on


cdef int _publish(Client c, Batch* b, Request* r) except -1:
    """Replicas hear of it, listened to or not, or the nodes of our cluster; the append only file does not."""
    if c.subscriptions is not None or c.state & CLIENT_SCRIPT or not isinstance(c.loop, Loop):
        return 0
    channel = PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))
    message = PyBytes_FromStringAndSize(arg_at(b, r, 2), arg_length(b, r, 2))
    server = (<Loop>c.loop).server
    receivers = server.pubsub.publish(channel, message)
    if server.cluster is not None:
        server.cluster.publish(channel, message)
    elif is_passed_on():
        (<Loop>c.loop).propagation.to_replicas(c.db, [b"PUBLISH", channel, message])
    write_integer(&c.out, receivers)
    return 1


by_hand("publish", _publish, False)
