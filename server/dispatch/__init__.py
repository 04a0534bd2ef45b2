"""From a parsed batch to replies: loop and time events, gates, the call, shapes of fast paths, and propagation.

The top of the server's own rooms: commands are declared above it, everything else lies below. Main thread only.
info, info_load and info_commands are what INFO (and so /metrics) tells of all that; debug, debug_failures and
debug_propagation what DEBUG looks into.
"""
