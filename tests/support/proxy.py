"""A TCP proxy before a server, whose links can be cut and held.

    with Proxy(server.port) as proxy:
        replica("REPLICAOF", proxy.host, proxy.port)
        proxy.cut()                 # all links through it end now; what was on its way may be lost
        proxy.hold()                # nothing passes, and nobody is told: what a broken network looks like
        proxy.hold(one=True)        # the same for one link that is there now
        proxy.hold_from({"127.0.0.2"})      # the same for who connects from there, now or later, besides others
        proxy.release()             # it passes again
        proxy.pace = 1024           # bytes a second that pass to who connected, each link by itself; 0: all

The target may come and go: while it is away, who connects is closed.
"""

import socket
import struct
import threading
import time
from collections.abc import Iterable

PIECE = 1 << 16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: unsent bytes are dropped, the other end sees a reset


class Proxy:
    """Threads copy bytes, two for each link."""

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.target = target
        self.pace = 0
        self.passed = 0  # bytes to those who connected
        self.flowing = threading.Event()
        self.flowing.set()
        self._listening = socket.create_server((host, 0), backlog=128)
        self.host: str = host
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._links: list[_Link] = []
        self._held_from: set[str] = set()
        self._over = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self, *, reset: bool = False) -> int:
        """End all links; reset: as a machine that knows nothing of them. How many there were."""
        with self._lock:
            for link in self._links:
                link.end(reset=reset)
            return len(self._links)

    def hold(self, *, one: bool = False) -> None:
        """From now on nothing passes, or nothing by the link that has been there longest."""
        with self._lock:
            if not one:
                self.flowing.clear()
            elif self._links:
                self._links[0].flowing.clear()

    def hold_from(self, hosts: Iterable[str]) -> None:
        """From now on nothing passes by links from these addresses either, also by those that are made later."""
        with self._lock:
            self._held_from.update(hosts)
            for link in self._links:
                if link.source in self._held_from:
                    link.flowing.clear()

    def release(self) -> None:
        """What was held passes, and all that comes."""
        with self._lock:
            self.flowing.set()
            self._held_from.clear()
            for link in self._links:
                link.flowing.set()

    def close(self) -> None:
        """Listen no more, and end all links."""
        self._over = True
        self.release()
        try:
            self._listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while not self._over:
            try:
                near, (source, *_) = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near, source), daemon=True).start()

    def _serve(self, near: socket.socket, source: str) -> None:
        try:
            far = socket.create_connection((self.host, self.target), 10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        link = _Link(self, near, far, source)
        with self._lock:
            self._links.append(link)
            if source in self._held_from:
                link.flowing.clear()
        if self._over:
            self.cut()
        link.serve()
        with self._lock:
            self._links.remove(link)
        near.close()
        far.close()


class _Link:
    """near: who connected, from the address `source`; far: the target."""

    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket, source: str) -> None:
        self._proxy = proxy
        self._near = near
        self._far = far
        self.source = source
        self.flowing = threading.Event()
        self.flowing.set()

    def serve(self) -> None:
        """Until it has ended."""
        for sock in (self._near, self._far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._copy, args=(self._far, self._near), daemon=True)
        back.start()
        self._copy(self._near, self._far)
        back.join()

    def end(self, *, reset: bool = False) -> None:
        """Both ends learn of it, also while it is held."""
        for sock in (self._near, self._far):
            try:
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        proxy = self._proxy
        try:
            while data := source.recv(min(PIECE, self._pace(sink) or PIECE)):
                proxy.flowing.wait()
                self.flowing.wait()
                sink.sendall(data)
                if sink is self._near:
                    proxy.passed += len(data)
                if pace := self._pace(sink):
                    time.sleep(len(data) / pace)
        except OSError:
            pass
        self.end()

    def _pace(self, sink: socket.socket) -> int:
        return self._proxy.pace if sink is self._near else 0
