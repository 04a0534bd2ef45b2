"""What INFO tells of clients: the table of them, their limits, subscriptions."""

from server.clients import clients_told as clients_told  # which says where the numbers of some of these are
from server.clients.blocking import BlockedCounts
from server.clients.client_table import ClientTable
from server.clients.limits import RecentPeaks
from server.clients.pubsub import PubSub
from server.clients.tracking import Tracking
from server.registry.info_sections import CLIENTS, STATS

waiting = CLIENTS.of(BlockedCounts)
waiting.field("blocked_clients", lambda counts: counts.blocked, metric="blocked_clients")
waiting.field("clients_in_timeout_table", lambda counts: counts.with_timeout, metric="clients_in_timeout_table")
waiting.field("total_blocking_keys_on_nokey", lambda counts: counts.on_no_key, metric="total_blocking_keys_on_nokey")

peaks = CLIENTS.of(RecentPeaks)
peaks.field("client_recent_max_input_buffer", lambda peaks: peaks.query, metric="client_recent_max_input_buffer_bytes")
peaks.field("client_recent_max_output_buffer", lambda peaks: peaks.replies,
            metric="client_recent_max_output_buffer_bytes")

counts = STATS.of(ClientTable)
counts.field("total_connections_received", lambda clients: clients.received, metric="connections_received_total",
             counter=True)
counts.field("rejected_connections", lambda clients: clients.rejected, metric="rejected_connections_total",
             counter=True)

CLIENTS.of(Tracking).field("tracking_clients", len, metric="tracking_clients")
tracking = STATS.of(Tracking)
tracking.field("tracking_total_keys", lambda tracking: len(tracking.keys), metric="tracking_total_keys")
tracking.field("tracking_total_items", lambda tracking: tracking.keys.items, metric="tracking_total_items")
tracking.field("tracking_total_prefixes", lambda tracking: len(tracking.broadcasts), metric="tracking_total_prefixes")

pubsub = STATS.of(PubSub)
pubsub.field("pubsub_channels", lambda pubsub: len(pubsub.channels), metric="pubsub_channels")
pubsub.field("pubsub_patterns", lambda pubsub: len(pubsub.patterns), metric="pubsub_patterns")
pubsub.field("pubsubshard_channels", lambda pubsub: len(pubsub.shard_channels), metric="pubsubshard_channels")
