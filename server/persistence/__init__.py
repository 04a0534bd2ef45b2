"""The room of what outlives the process: values as bytes, snapshots, the append only file.

`rdb_format` says what the bytes are; `object_writer` and `object_reader` turn one value into them and back. DUMP,
RESTORE, snapshots and full synchronisation all go through these two. Everything here is native and looks at values
without touching a Python object, so that a forked child can write them. What is read comes from outside: no byte of it
is believed before it was checked. Above this room are commands and the loop; below it keyspace, types and structures.
"""
