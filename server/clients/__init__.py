"""Who is connected: client state, authentication, transactions, subscriptions, caching, blocking, limits and pauses.

Called by dispatch and commands. A Client never touches a socket: it collects replies in its Output, and the loop hands
them to the lane that owns the connection.
"""
