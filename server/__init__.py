"""The server: everything but sockets (iothreads), scripts (scripting) and the metrics endpoint (metrics).

Rooms, from the top of the import order down: commands, dispatch, clients, keyspace, types, structures, observe,
config, registry. `server.server` puts them together; `server.__main__` starts it.
"""
