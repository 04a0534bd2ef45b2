"""oom-score-adj: telling the kernel which of its processes to kill first when memory runs out.

A master should live longer than a replica, and a replica longer than a child that only writes a file; the three numbers
of oom-score-adj-values say so. `relative` adds them to the score that the process was started with.
"""

from typing import Any

MASTER, REPLICA, CHILD = range(3)
_PATH = "/proc/self/oom_score_adj"
_LIMIT = 1000
FAILED = "Failed to apply new oom_score_adj configuration, check server logs."


class OomScore:
    """The score of this process. Once we let go of it, it is what it was before."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._before: int | None = None  # the score before we touched it; None: we have not
        self.role = MASTER

    def apply(self, role: int | None = None) -> bool:
        """Set the score of a role (a child does so for itself); False, and a line in the log, when that is refused."""
        config = self._server.config
        try:
            if config.oom_score_adj == "no":
                if self._before is not None:
                    self._write(self._before)
                    self._before = None
                return True
            if self._before is None:
                with open(_PATH, encoding="ascii") as file:
                    self._before = int(file.read())
            value = config.oom_score_adj_values[self.role if role is None else role]
            if config.oom_score_adj == "relative":
                value += self._before
            self._write(max(-_LIMIT, min(_LIMIT, value)))
        except (OSError, ValueError) as error:
            self._server.log.warning("Unable to write oom_score_adj: %s", getattr(error, "strerror", error))
            return False
        return True

    def _write(self, value: int) -> None:
        with open(_PATH, "w", encoding="ascii") as file:
            file.write(f"{value}\n")


def wire(server: Any) -> None:
    """Give the server its OomScore; it follows its directives from now on."""
    server.oom_score = OomScore(server)

    def follow(config: Any) -> str | None:
        return None if server.oom_score.apply() else FAILED

    for name in ("oom-score-adj", "oom-score-adj-values"):
        server.config.on_change(name, follow)
    server.oom_score.apply()
