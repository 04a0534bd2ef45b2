"""Files that nobody wants. Whoever lets go of the last hold on a large one, its name or an open file, waits until
the system has its pages and blocks back (a seventh of a second for each GB that was just written): a thread does so.
"""

import os
from collections.abc import Callable

SMALL = 1 << 20             # bytes: up to this it takes no longer than the thread would take to begin


class UnwantedFiles:
    """Closes and deletes. The thread of a large file has Redis's name; `enter` is what it does first."""

    def __init__(self, enter: Callable[[], None] = lambda: None) -> None:
        self._enter = enter

    def close(self, file: int) -> None:
        """Close a file, which may have lost its name. Complexity: O(1) for who calls."""
        try:
            about = os.fstat(file)
            quick = about.st_nlink > 0 or about.st_size <= SMALL
        except OSError:
            quick = True
        if quick:
            os.close(file)
        else:
            import threading  # a start has no use for it

            threading.Thread(target=self._close, args=(file,), name="bio_close_file", daemon=True).start()

    def remove(self, path: str) -> None:
        """Delete a file, whose name is gone at once; that it cannot be deleted does not matter."""
        file = self._hold(path)
        try:
            os.unlink(path)
        except OSError:
            pass
        if file >= 0:
            self.close(file)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; nobody wants what had that name. Errors: OSError."""
        file = self._hold(new)
        try:
            os.rename(old, new)
        finally:
            if file >= 0:
                self.close(file)

    def _hold(self, path: str) -> int:
        """An open file without which losing its name would take long; -1 when it cannot be opened."""
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return -1

    def _close(self, file: int) -> None:
        self._enter()
        os.close(file)
