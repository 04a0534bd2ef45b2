"""The room of what outlives the process: values as bytes, snapshots, the append only file.

rdb_format                      what the bytes are
rdb_sink, rdb_input             lengths, numbers and strings, written and read
object_writer, object_reader    one value; stream_reader and historic: streams, and encodings of older servers
rdb_save, rdb_load              a whole file, from and into a keyspace
rdb_file, snapshot              files by name, complete or not at all; when they are saved, and by whom
aof, background_sync            appending every write; the thread that waits for the disk
aof_manifest, aof_load          which files there are; reading them back (aof_reader: commands out of a file)
aof_rewrite, command_writer     a new base instead of all that led there; data as commands
slot_writer, restore_writer     keys for another server: of a slot that moves, and what MIGRATE says
keyspace_writer                 what both writers of a keyspace have in common
child, loading, disk            the forked child; what clients see while data come; file operations
check_rdb, check_aof            remus-check-rdb and remus-check-aof
info                            what INFO tells of files

Values are written and read natively, without touching a Python object, so that a forked child can do it; DUMP,
RESTORE and snapshots all go through the same two files. What is read comes from outside: no byte of it is believed
before it was checked. Above this room are commands and the loop; below it clients, keyspace, types and structures.
"""
