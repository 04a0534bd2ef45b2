"""MEMORY DOCTOR: what is unusual about a server's memory, and what can be done about it.

When a remark is made, its heading, and the lines around the remarks are Redis's, so that scripts which look for them
find them. When that is: `Figures.unusual`.
"""

from server.observe.memory_account import ALLOCATOR

LITTLE = 5 << 20                       # bytes: below, ratios say nothing

NOTHING = ("Hi Sam, I can't find any memory issue in your instance. "
           "I can only account for what occurs on this base.\n")
EMPTY = ("Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these "
         "conditions. Ask again when there is something in it: until then ratios mean nothing.\n")
BEGIN = "Sam, I detected a few issues in this Redis instance memory implants:\n\n"
END = "I'm here to keep you safe, Sam. I want to help you.\n"

PEAK = ("Peak memory: In the past this instance used more than 150% the memory that is currently using. What was freed "
        "is used again before the system is asked for more, so this is harmless, but the resident size may stay high. "
        "MEMORY PURGE gives back what can be given back; only a restart gives back everything.")
HIGH_RSS = ("High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4: the process "
            "holds much more than its data need. Mostly that is left from a peak (see whether there is a remark about "
            "one above), or from deleting values of very different sizes. The allocator is \"%s\".")
FRAGMENTATION = ("High allocator fragmentation: This instance has an allocator external fragmentation greater than "
                 "1.1: pages are only partly in use, mostly after many keys were deleted. They fill again with values "
                 "of the same sizes; CONFIG SET activedefrag yes moves what is left together and gives the other pages "
                 "back, without a restart. MALLOC-STATS shows the size classes.")
ALLOCATOR_RSS = ("High allocator RSS overhead: This instance has an RSS memory overhead is greater than 1.1: the "
                 "allocator holds pages that nothing is in, mostly after a peak. MEMORY PURGE gives them back.")
PROCESS_RSS = ("High process RSS overhead: This instance has non-allocator RSS memory overhead is greater than 1.1: "
               "memory outside of the keyspace has grown. Look at clients (CLIENT LIST: tot-mem), scripts and "
               "functions (INFO memory: used_memory_vm_total).")
REPLICAS = ("Big replica buffers: The replica output buffers in this instance are greater than 10MB for each replica "
            "(on average). Some replica does not take in what it is sent, because it is slow or its network is: INFO "
            "replication shows lags, CLIENT LIST TYPE replica the buffers.")
CLIENTS = ("Big client buffers: The clients output buffers in this instance are greater than 200K per client (on "
           "average). Clients do not read what they asked for or subscribed to, or send very large commands and "
           "pipelines. CLIENT LIST shows which (omem, qbuf).")
SCRIPTS = ("Many scripts: There seem to be many cached scripts in this instance (more than 1000). Scripts should get "
           "what varies as KEYS and ARGV, and be called with EVALSHA; SCRIPT FLUSH empties the cache.")


REMARKS = (PEAK, HIGH_RSS % ALLOCATOR, FRAGMENTATION, ALLOCATOR_RSS, PROCESS_RSS, REPLICAS, CLIENTS, SCRIPTS)


def report(unusual: int) -> str:
    """The whole text, of a server that uses more than LITTLE. unusual: a bit for each of REMARKS."""
    found = [remark for n, remark in enumerate(REMARKS) if unusual >> n & 1]
    return BEGIN + "".join(f" * {text}\n\n" for text in found) + END if found else NOTHING
