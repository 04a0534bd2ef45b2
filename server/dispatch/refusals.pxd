# cython: language_level=3
"""What is no command, or not with so many words, or not for this user: refused from the request's own bytes, before anything
is asked."""
from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.observe.error_counts cimport ErrorCounts

cdef bint refusal_step(ErrorCounts errors, Client client, Batch* b, Request* r) except -1      # 1: the reply is written
cdef bytes unknown_command(list argv)          # the error about a name that is none
cdef int note_denial(Client client, str reason, bytes what, bytes name) except -1
    # as Authentication.note does, of a call outside of transactions and scripts; name: whom the client is, or wants to be
