"""The databases: keys, expiry, eviction, and who must hear of a change.

database                        a database, and what all of them share: look up, set, delete, expire on access
expire, evict, lazyfree         keys whose time has come; keys for which there is no room; large values freed in steps
effects                         who hears of a change
digest, info                    DEBUG DIGEST; what INFO tells of the data
estimate, big_keys, prefixes    what values weigh, the biggest of them, and sums by prefix

Called by dispatch and commands. Only the main thread enters. Knows types and structures; tells the rooms above through
hooks that they register at start.
"""
