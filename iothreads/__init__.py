"""Sockets and bytes: the side of the server that never takes the GIL.

Owns: listening sockets, connections, reading and parsing requests, writing replies, the threads that do it.
Called by: `server.dispatch.loop` through `iothreads.handoff` (read that file first) and nobody else; commands write
their replies with `iothreads.resp_writer`.
Rules: a lane knows no command and no key; only messages cross between threads; all memory here is malloc's.
"""
