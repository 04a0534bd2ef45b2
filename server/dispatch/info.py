"""What INFO tells of the keys that expire on a replica of ours, and of those asked for most lately.

hotkeys is shown only when it is asked for by name, for it names keys.
"""

from collections.abc import Iterator

from server.dispatch.hot_keys import Upkeep
from server.dispatch.replicating import Replicating
from server.registry.info import section
from server.registry.info_sections import STATS
from server.registry.quoting import shown_key

HOT_SHOWN = 10

STATS.of(Replicating).field("slave_expires_tracked_keys", lambda replicating: len(replicating.own_expires),
                            metric="slave_expires_tracked_keys")

# ---- hot keys
hotkeys = section("hotkeys", "Hotkeys", default=False, in_all=False).of(Upkeep)
hotkeys.field("hot_keys_sample", lambda upkeep: upkeep.every)


@hotkeys.family
def hot_key_lines(upkeep: Upkeep) -> Iterator[tuple[str, str]]:
    """hot_key_0:db=0,accesses_per_sec=120.5,key="user:1": estimates that are not too high; the key comes last."""
    for number, (each, rate) in enumerate(upkeep.hottest(HOT_SHOWN)):
        yield f"hot_key_{number}", f"db={each.db},accesses_per_sec={rate:.2f},key={shown_key(each.key)}"
