"""The commands: one file per group of COMMAND DOCS (or group_part.py), each command declared and defined in one place.

Next door to hash.py stands hash_fast.pyx: the fast paths of its commands, each declared by a row (dispatch.shapes).
Command files are strangers to one another: what two of them need stands in a room below. `server.server` imports every
module here, which registers its commands.
"""
