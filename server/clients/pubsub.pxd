# cython: language_level=3
"""Publish and subscribe: who listens to which channel, and the sending of messages.

A message goes to the subscribers of its channel first and then, pattern by pattern, to those whose pattern matches; a
client that has both gets it twice. Shard channels are a world of their own: no patterns, and in a cluster a slot each.
What is sent is encoded once for all who get it: an array for RESP2, a push for RESP3, which differ in their first byte.
A RESP2 client with subscriptions may only manage them (the gate `subscribed`); RESP3 knows no such mode.

Keyspace notifications are messages of the same kind (clients.key_events).
"""
from server.clients.client cimport Client

cdef class Subscriptions:
    """What one client listens to. False when that is nothing."""
    cdef readonly dict channels, patterns, shard_channels              # name -> None, in the order of subscribing

cdef class PubSub:
    """All subscriptions of a server."""
    cdef readonly dict channels, patterns, shard_channels              # name -> {Client: None}
    cdef Py_ssize_t of_keys_count      # channels and patterns by which keyspace notifications may be heard
    cdef public object on_key_listeners                                # told when one of those comes or goes

    # One client. All return the count that a reply tells: of its channels and patterns, or of its shard channels.
    cpdef Py_ssize_t subscribe(self, Client client, bytes channel) except -1
    cpdef Py_ssize_t psubscribe(self, Client client, bytes pattern) except -1
    cpdef Py_ssize_t ssubscribe(self, Client client, bytes channel) except -1
    cpdef Py_ssize_t unsubscribe(self, Client client, bytes channel) except -1         # harmless without a subscription
    cpdef Py_ssize_t punsubscribe(self, Client client, bytes pattern) except -1
    cpdef Py_ssize_t sunsubscribe(self, Client client, bytes channel) except -1
    cdef int count_of_keys(self, Py_ssize_t by) except -1
    cpdef int settle(self, Client client) except -1
        # after subscribing, unsubscribing or a change of protocol: enter or leave the mode that a subscriber is in

    # Sending. Both return how many messages that were.
    cpdef Py_ssize_t publish(self, bytes channel, bytes text) except -1                # O(subscribers + patterns)
    cpdef Py_ssize_t spublish(self, bytes channel, bytes text) except -1

cpdef bint may_match(bytes pattern, bytes beginning) noexcept
    # whether a channel that begins so may match, as far as the text before the first special character tells
