"""What a client may cost: unread replies, memory of all clients together, idle time, and how many there may be.

Output limits (client-output-buffer-limit) are looked at when replies are about to leave, for clients above the lowest
limit of any class (`loop.output_watermark`), and once a second for the soft limits. With maxmemory-clients set, every
client that sends commands or gets a reply is accounted again before they run and after it left, the others once a
second, and all of them when half-read requests might have brought the sum over the limit; then the largest clients go
first. Who is over its output limit is closed for that, before anybody is evicted. A client that is closed for a limit
gets none of the replies that wait. Who has not said who it is (AUTH) has a limit of its own, whatever the directives
say: a stranger costs little.
"""

import errno
import os
import resource
from collections.abc import Iterator, Sized

from server.clients import client_list
from server.clients.accounts import MASTERS, NORMAL, PUBSUB, REPLICAS, Accounts, class_of
from server.clients.client import BLOCKED, CLOSE_ASAP, IMPORTS, MASTER, NO_EVICT, REPLICA, STRANGER, Client
from server.clients.client_table import ClientTable
from server.clients.seams import ClientLoop
from server.config.config import Config
from server.observe.log import Log
from server.observe.stats import Stats
from server.registry.clock import monotonic_now_us
from server.registry.light import NamedTuple

NO_LIMIT = (1 << 63) - 1
LEAST_CLIENT_MEMORY = 128 * 1024       # a smaller maxmemory-clients would lock everybody out
STRANGER_OUTPUT = 16384                # bytes of replies that who has not said who it is may leave unread
PEAK_SECONDS = 8                       # client_recent_max_* looks back so far
LEAST_PER_TICK = 5                     # clients examined by one tick of the cron
RESERVED_FILES = 32                    # descriptors that are no client: listeners, files, logs
FULL = b"-ERR max number of clients reached\r\n"
FULL_OF_NODES = b"-ERR max number of clients + cluster connections reached\r\n"


class RecentPeaks(NamedTuple):
    """client_recent_max_input_buffer and client_recent_max_output_buffer of INFO, bytes."""

    query: int
    replies: int


class Limits:
    """The limits of a server."""

    def __init__(self, config: Config, clients: ClientTable, loop: ClientLoop, log: Log, stats: Stats) -> None:
        self._config = config
        self._clients = clients
        self._loop = loop
        loop.stranger_watermark = STRANGER_OUTPUT
        self._log = log
        self._stats = stats
        self.accounts = Accounts()
        self.cluster_links: Sized = ()                       # of the bus, which take up places of maxclients
        self.evicted_clients = 0
        self._partial_memory = 0                             # loop.partial_memory when everybody was accounted last
        self._turn: list[Client] = []                        # whom the cron looks at in this round, ...
        self._looked_at = 0                                  # ... and how many of them it has
        self._resting = self._found_resting = 0              # in the last round, and in this one until now
        self._peaks = [(0, 0, 0)] * PEAK_SECONDS             # (second, query memory, output memory)
        self._recent, self._recent_at = RecentPeaks(0, 0), 0     # of the last of them, as it was in that second

    # ---- replies that nobody reads
    def follow_output_limits(self, config: Config) -> None:
        """client-output-buffer-limit: the lowest limit, below which nobody has to look closely."""
        limits = [size for limit in config.client_output_buffer_limit.values() for size in limit[:2] if size]
        self._loop.output_watermark = min(limits, default=NO_LIMIT)

    def over_output_limit(self, client: Client) -> bool:
        """Whether it is over its hard limit, or has been over its soft limit for too long. Complexity: O(1)."""
        if client.slow & STRANGER and client.output_bytes >= STRANGER_OUTPUT:
            return True
        kind = class_of(client)
        limit = self._config.client_output_buffer_limit[NORMAL if kind == MASTERS else kind]
        used = client_list.unread_bytes(client)
        hard = limit.hard_limit_bytes
        if kind == REPLICAS and hard:
            hard = max(hard, self._config.repl_backlog_size)
        if hard and used >= hard:
            return True
        if not limit.soft_limit_bytes or used < limit.soft_limit_bytes:
            client.soft_limit_us = 0
            return False
        now = monotonic_now_us()
        if not client.soft_limit_us:
            client.soft_limit_us = now
            return False
        return bool((now - client.soft_limit_us) // 1000000 > limit.soft_limit_seconds)

    def check_output(self, client: Client) -> None:
        """Close a client that is over its output limit (the loop calls this for those above the watermark)."""
        if client.has(CLOSE_ASAP) or not self.over_output_limit(client):
            return
        self._log.warning("Client %s scheduled to be closed ASAP for overcoming of output buffer limits.",
                                 client_list.line(client))
        client.close()

    # ---- memory of all clients
    @property
    def client_memory_limit(self) -> int:
        """maxmemory-clients in bytes, 0 for none; a percentage is of maxmemory."""
        wanted: int = self._config.maxmemory_clients
        if wanted == 0:
            return 0
        if wanted < 0:
            if not self._config.maxmemory:
                return NO_LIMIT
            wanted = int(self._config.maxmemory * -wanted / 100)
        return max(wanted, LEAST_CLIENT_MEMORY)

    def forget(self, client: Client) -> None:
        """It is gone."""
        self.accounts.forget(client)

    def evict_clients(self) -> None:
        """Close the largest clients until all together are below maxmemory-clients."""
        limit = self.client_memory_limit
        if not limit or self._evictable_memory() < limit:
            return
        for client in sorted(self._clients, key=lambda client: -client.accounted):
            if client.has(NO_EVICT | CLOSE_ASAP) or class_of(client) not in (NORMAL, PUBSUB):
                continue
            self._log.notice("Evicting client: %s", client_list.line(client))
            client.close()
            self.forget(client)
            self.evicted_clients += 1
            self._stats.evicted_clients += 1
            if self._evictable_memory() < limit:
                return
        self._log.warning("Over client maxmemory after evicting all evictable clients")

    def _evictable_memory(self) -> int:
        return self.accounts.memory_by_class[NORMAL] + self.accounts.memory_by_class[PUBSUB]

    def _renew(self, client: Client) -> None:
        """Account a client, unless it is over its output limit: that comes first."""
        if client.output_bytes >= self._loop.output_watermark:
            self.check_output(client)
        if client.has(CLOSE_ASAP):
            self.forget(client)
        else:
            self.accounts.account(client)

    def _look_at(self, clients: list[Client]) -> None:
        """Account these clients, everybody when half-read requests grew too much, and evict. Complexity: O(clients)."""
        for client in clients:
            self._renew(client)
        partial = self._loop.partial_memory
        if self._evictable_memory() + max(0, partial - self._partial_memory) >= self.client_memory_limit:
            for client in self._clients:
                self._renew(client)
            self._partial_memory = partial
            self.evict_clients()
        elif partial < self._partial_memory:
            self._partial_memory = partial

    def before_commands(self, clients: list[Client]) -> None:
        """The commands of these clients are about to run: whoever is too large by now does not see it."""
        self._look_at(clients)

    def after_flush(self, clients: list[Client]) -> None:
        """Each turn: these clients were sent what their sockets would take."""
        self._look_at(clients)

    def follow_memory_limit(self, config: Config) -> None:
        """maxmemory-clients was changed: look at everybody at once, and then each turn."""
        self._loop.on_group = self.before_commands if config.maxmemory_clients else None
        self._loop.on_flushed = self.after_flush if config.maxmemory_clients else None
        if config.maxmemory_clients:
            for client in self._clients:
                self._renew(client)

    # ---- the cron
    @property
    def stirring(self) -> int:
        """How many clients the cron has to look at closely: those that are not at rest."""
        return max(0, len(self._clients) - self._resting)

    def tick(self, hz: int) -> None:
        """Look at some clients, so that with `hz` ticks a second everybody has its turn once in it."""
        if self._looked_at == len(self._turn):
            self._turn, self._looked_at = list(self._clients), 0
            self._resting, self._found_resting = self._found_resting, 0
        now, timeout = monotonic_now_us(), self._config.timeout
        count = min(len(self._turn) - self._looked_at, max(len(self._clients) // hz, LEAST_PER_TICK))
        found = self.accounts.look(self._turn, self._looked_at, count, now, now - timeout * 1000000 if timeout else 0)
        self._looked_at += count
        self._note_look(now // 1000000)
        for client in found:
            if self._idle_too_long(client, now):
                self._log.verbose("Closing idle client")
                client.close()
            elif client.output_bytes:
                self.check_output(client)

    def _note_look(self, second: int) -> None:
        look = self.accounts
        self._found_resting += look.resting
        self._note_peak(second, look.query_peak, look.output_peak)
        if look.grown:
            self._stats.add("reply_buffer_expands", look.grown)
        if look.shrunk:
            self._stats.add("reply_buffer_shrinks", look.shrunk)

    def _idle_too_long(self, client: Client, now_us: int) -> bool:
        timeout = self._config.timeout
        return bool(timeout and (now_us - client.active_us) // 1000000 > timeout
                    and not client.has(REPLICA | MASTER | IMPORTS | BLOCKED | CLOSE_ASAP) and not client.subscriptions)

    def _note_peak(self, second: int, query: int, output: int) -> None:
        at = second % PEAK_SECONDS
        known, most_query, most_output = self._peaks[at]
        if known != second:
            most_query = most_output = 0
        self._peaks[at] = (second, max(query, most_query), max(output, most_output))
        self._recent_at = 0

    def memory_of_each(self) -> Iterator[int]:
        """Bytes that each client holds in its buffers."""
        return (client_list.query_of(client)[0] + client.output_memory for client in self._clients)

    def recent_peaks(self) -> "RecentPeaks":
        """The largest buffers of late."""
        now = monotonic_now_us() // 1000000
        if now != self._recent_at:
            recent = [(query, replies) for at, query, replies in self._peaks if at > now - PEAK_SECONDS]
            self._recent_at, self._recent = now, RecentPeaks(*map(max, zip((0, 0), *recent)))
        return self._recent

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.evicted_clients = 0

    # ---- how many
    def refusal(self) -> bytes | None:
        """What to tell a client that is one too many, None to let it in."""
        if not self._clients.full(len(self.cluster_links)):
            return None
        self._clients.rejected += 1
        return FULL_OF_NODES if self._config.cluster_enabled else FULL

    def fit_to_files(self) -> None:
        """At start: descriptors for maxclients, or a lower maxclients and a warning."""
        config, log = self._config, self._log
        self._clients.max_clients = possible = raise_file_limit(config.maxclients)
        if possible < config.maxclients:
            log.warning("You requested maxclients of %d requiring at least %d max file descriptors.",
                        config.maxclients, config.maxclients + RESERVED_FILES)
            log.warning("Server can't set maximum open files to %d because of OS error: %s.",
                        config.maxclients + RESERVED_FILES, os.strerror(errno.EPERM))
            log.warning("Current maximum open files is %d. maxclients has been reduced to %d to compensate for low "
                        "ulimit. If you need higher maxclients increase 'ulimit -n'.",
                        resource.getrlimit(resource.RLIMIT_NOFILE)[0], possible)
            config.store("maxclients", possible)

    def follow_max_clients(self, config: Config) -> str | None:
        """maxclients."""
        possible = raise_file_limit(config.maxclients)
        if possible < config.maxclients:
            return ("The operating system is not able to handle the specified number of clients, "
                    f"try with {possible}")
        self._clients.max_clients = config.maxclients
        return None


def raise_file_limit(clients: int) -> int:
    """Ask the system for descriptors for so many clients; how many clients there may be now."""
    wanted = clients + RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return clients
    for allowed in (max(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if allowed >= wanted else allowed, allowed))
            break
        except (ValueError, OSError):
            continue
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(clients, soft - RESERVED_FILES))
