# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A message to many: its bytes are made once, and written to whoever listens."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.resp_writer cimport write_raw
from server.clients.client cimport CLIENT_CLOSE_ASAP, Client
from server.registry.reply_writer cimport encode_reply

from server.registry.reply import Encoded


def send_to(dict listeners, *parts) -> int:
    """Push byte strings as one message to these clients (Client -> anything); how many they are. In RESP2 it is an
    array, in RESP3 a push, which differ in their first byte. Complexity: O(clients), and a copy for each."""
    cdef Client client
    cdef bytes wire = encode_reply(parts, 2)
    cdef const char* rest = PyBytes_AS_STRING(wire) + 1
    cdef size_t length = PyBytes_GET_SIZE(wire) - 1
    for client in listeners:
        if client.held is not None:
            client.held.append(Encoded((b">" if client.resp > 2 else b"*") + wire[1:]))
        elif not client.state & CLIENT_CLOSE_ASAP:
            write_raw(&client.out, ">" if client.resp > 2 else "*", 1)
            write_raw(&client.out, rest, length)
            if not client.queued:
                client.has_output()
    return len(listeners)
