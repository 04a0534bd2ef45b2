"""The configuration room: what may be configured, how it is read, changed while running and written back.

- table.py puts together the directives that network.py, memory.py, persistence.py ... declare, each one once.
- config.py holds the values: `config.maxmemory`; CONFIG GET and SET; `config.on_change(name, callback)`.
- command_line.py and reader.py turn argv and files into a Config; rewrite.py writes one back (CONFIG REWRITE).

Called by server.__main__ (start) and by every room that needs a value. Imports nothing but server.registry: a room
that wants to hear of a change registers itself, the configuration never calls a room by name.
"""
