"""The commands: one file per group of COMMAND DOCS (or group_part.py), each command declared and defined in one place.

Command files are strangers to one another: what two of them need stands in a room below. `server.server` imports every
module here, which registers its commands.
"""
