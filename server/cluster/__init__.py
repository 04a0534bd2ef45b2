"""Several servers that share one keyspace: whose slot is whose, and how keys move between them.

Called by dispatch and commands; speaks to other servers over links that it is given the means to open. What is here so
far is the sending side of MIGRATE.
"""
