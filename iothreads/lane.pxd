# cython: language_level=3
"""A lane: a poller and the connections that live on it. The same functions serve the main thread (io-threads 1)
and every I/O thread; only who calls them differs. Main-thread face of the whole package: `iothreads.handoff`.
"""
