"""The databases: keys, expiry, eviction, and who must hear of a change.

Called by dispatch and commands. Only the main thread enters. Knows types and structures; tells the rooms above through
hooks that they register at start.
"""
