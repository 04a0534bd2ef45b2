"""Whether the cluster serves, as far as we can tell: all slots covered, and the majority of the masters within reach.

A master does not turn from fail to ok at once, so that it hears who took its slots while it was away: not in its
first two seconds, unless all the others have spoken before; nor for a while after it was with the minority.
"""

from collections.abc import Callable

from server.cluster import slots
from server.cluster.actions import Outbox, Serving
from server.cluster.messages import MYSELF
from server.cluster.settings import Settings
from server.cluster.view import View

WRITABLE_DELAY_MS = 2000
REJOIN_MIN_MS, REJOIN_MAX_MS = 500, 5000


class Health:
    """The state of the cluster."""

    def __init__(self, view: View, settings: Callable[[], Settings], out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._out = out
        self._first = 0                 # ms, of the first look
        self._minority = 0              # ms, when we were last with the minority

    def update(self, now: int) -> None:
        """Look, and tell when it has changed.

        Complexity: O(nodes).
        """
        view, settings = self._view, self._settings()
        master = view.myself.is_master
        self._first = self._first or now
        if master and not view.ok and now - self._first < WRITABLE_DELAY_MS and not self._heard_all():
            return
        ok = not settings.require_full_coverage or self._covered()
        if view.reachable() < view.quorum:
            ok = False
            self._minority = now
        if ok == view.ok:
            return
        rejoin = min(max(settings.node_timeout, REJOIN_MIN_MS), REJOIN_MAX_MS)
        if ok and master and now - self._minority < rejoin:
            return
        view.ok = ok
        self._out.add(Serving(ok))
        self._out.touched = True
        self._out.note("notice" if ok else "warning", f"Cluster state changed: {'ok' if ok else 'fail'}")

    def _heard_all(self) -> bool:
        """Whether every other node has told since our start what it serves: the first thing it says on a link."""
        return all(node.data_received for node in self._view.nodes.values() if not node.flags & MYSELF)

    def _covered(self) -> bool:
        """Whether every slot has an owner that is not FAIL."""
        view = self._view
        return view.assigned == slots.ALL and not any(node.failed for node in view.voters)
