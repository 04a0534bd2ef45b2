"""Connecting to other servers by name or address: names are looked up beside the loop, addresses tried one after the
other, all within a time.

    connect("db2", 6379, protocol, timeout_ms=5000)  -->  look up: a thread; what is an address needs none
    next turn of the loop                            -->  Links.open(the first address)
    refused?                                         -->  the next one; none left, or too late: connection_lost

A protocol never hears of anything before connect() has returned.
"""

import time
from functools import cached_property

from iothreads.connect import Address, ConnectError, LinkProtocol, look_up, numeric
from iothreads.link import REPLIES, Link
from iothreads.tls import TlsContext
from server.dispatch.loop import Loop
from server.dispatch.timers import Timer
from server.registry.clock import monotonic_now_us
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from queue import SimpleQueue

NO_ADDRESS = "there is no such address"
TIMED_OUT = "timed out while connecting"


class Attempt(LinkProtocol):
    """A connection being made: it hears the link in place of its protocol until it is open."""

    def __init__(self, loop: Loop, protocol: LinkProtocol, source: str, reads: int, tls: TlsContext | None,
                 host: str) -> None:
        self._loop = loop
        self._protocol = protocol
        self._source = source
        self._reads = reads
        self._tls = tls
        self._host = host                   # "": it was an address
        self._addresses: list[Address] = []
        self._why = NO_ADDRESS
        self._timer: Timer | None = None
        self.link: Link | None = None       # to the address that is tried, or was last
        self.over = False                   # it is open, or was given up

    def expire_after(self, timeout_ms: int) -> None:
        """Give up then."""
        self._timer = self._loop.timers.add(monotonic_now_us(), timeout_ms, lambda: self.abort(TIMED_OUT))

    def found(self, addresses: list[Address]) -> None:
        """These are to be tried."""
        if not self.over:
            self._addresses = list(addresses)
            self._try_next()

    def abort(self, reason: str = "closed by us") -> None:
        """Give up. The protocol hears connection_lost at once, if it is not open."""
        if not self.over:
            self._why = reason
            self._give_up()
            if self.link is not None:
                self.link.close()

    def _try_next(self) -> None:
        while self._addresses:
            try:
                to = self._addresses.pop(0)
                self.link = self._loop.links.open(to, self, source=self._source, reads=self._reads,
                                                  tls=self._tls, host=self._host)
                return
            except ConnectError as error:
                self._why = str(error)
        self._give_up()

    def _give_up(self) -> None:
        self._settle()
        self._protocol.connection_lost(self.link, self._why)

    def _settle(self) -> None:
        self.over = True
        if self._timer is not None:
            self._loop.timers.remove(self._timer)
            self._timer = None              # it knows this attempt: the two would never be freed

    def connection_made(self, link: Link) -> None:
        """The link is open: from here on its protocol hears it."""
        if not self.over:
            self._settle()
            link.set_protocol(self._protocol)
            self._protocol.connection_made(link)

    def connection_lost(self, link: Link | None, reason: str) -> None:
        """This address will not do."""
        if not self.over:
            self._why = reason
            self._try_next()


class Connector:
    """Makes the links of a server."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._looking = 0                   # attempts that wait for addresses

    @cached_property
    def _found(self) -> "SimpleQueue[tuple[Attempt, list[Address]]]":
        """What `_look_up` found; made when somebody connects."""
        from queue import SimpleQueue

        return SimpleQueue()

    def connect(self, host: str, port: int, protocol: LinkProtocol, *, source: str = "", timeout_ms: int = 0,
                reads: int = REPLIES, tls: TlsContext | None = None) -> Attempt:
        """Begin to connect.

        host: an address, a name, or the path of a unix socket (port is 0 then); source: the address to come from, ""
        for any; timeout_ms: for all of it, 0 = as long as the system tries; reads: REPLIES, REQUESTS or RAW
        (iothreads.link), how the link is read at first; tls: how it is enciphered, None for not at all.
        """
        address = numeric(host, port)
        attempt = Attempt(self._loop, protocol, source, reads, tls, "" if address is not None else host)
        if timeout_ms:
            attempt.expire_after(timeout_ms)
        self._looking += 1
        self._loop.attend(self._go_on)
        _ = self._found                 # there before a thread looks for it: nothing keeps two from making one each
        if address is not None:
            self._tell(attempt, [address])
        else:
            from threading import Thread

            Thread(target=self._look_up, args=(attempt, host, port), name="look_up", daemon=True).start()
        return attempt

    def wait(self, attempt: Attempt, timeout_ms: int) -> bool:
        """Serve this attempt alone until it is over; false when it is not after so many ms."""
        end = time.monotonic() + timeout_ms / 1000
        while not attempt.over and (left := end - time.monotonic()) > 0:
            if attempt.link is None:
                self._wait_for_addresses(attempt, left)
            else:
                self._loop.links.wait(attempt.link, int(left * 1000) + 1)
        return attempt.over

    @property
    def looking(self) -> int:
        """Attempts that wait for addresses."""
        return self._looking

    def _wait_for_addresses(self, attempt: Attempt, seconds: float) -> None:
        from queue import Empty

        others = []
        try:
            while (found := self._found.get(timeout=seconds))[0] is not attempt:
                others.append(found)
            self._looking -= 1
            attempt.found(found[1])
        except Empty:
            pass
        for found in others:
            self._tell(*found)

    def _look_up(self, attempt: Attempt, host: str, port: int) -> None:
        self._tell(attempt, look_up(host, port))

    def _tell(self, attempt: Attempt, addresses: list[Address]) -> None:
        self._found.put((attempt, addresses))
        self._loop.links.wake()

    def _go_on(self) -> bool:
        """Each turn while somebody waits for addresses."""
        while not self._found.empty():
            attempt, addresses = self._found.get()
            self._looking -= 1
            attempt.found(addresses)
        if self._looking == 0:
            self._loop.attend(self._go_on, False)
        return False
