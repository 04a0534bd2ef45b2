"""What sentinels tell each other: where they are, their epoch, and which master they know, by which configuration.

    ip,port,id,current epoch,master's name,its ip,its port,its configuration epoch

It is published at the master and its replicas, which each sentinel listens to, and said to known sentinels directly.
"""

from server.registry.args import leading_integer as number
from server.sentinel.actions import NOTICE, WARNING
from server.sentinel.instance import Instance, Master
from server.sentinel.state import PORT_MAX, CannotCreate, State, is_host, is_id
from server.sentinel.words import bytes_of, text_of

CHANNEL = b"__sentinel__:hello"
FIELDS = 8


def hello_text(state: State, ip: str, port: int, master: Master) -> bytes:
    """Ours about a master. ip, port: where we are to be found."""
    address = master.current_address
    return bytes_of(f"{ip},{port},{state.myid},{state.current_epoch},{master.name},{state.announced(address)},"
                    f"{address.port},{master.config_epoch}")


class Hellos:
    """What comes of the hellos of others."""

    def __init__(self, state: State) -> None:
        self._state = state

    def receive(self, text: bytes) -> None:
        """Of any master; about those that we do not know, nothing is done, nor about what cannot be true."""
        state, words = self._state, text.split(b",", FIELDS)
        if len(words) != FIELDS:
            return
        ip, port, runid = text_of(words[0]), number(words[1]), text_of(words[2])
        master = state.masters.get(text_of(words[4]))
        if master is None or runid == state.myid or not (is_host(ip) and is_id(runid) and 0 <= port <= PORT_MAX):
            return
        epoch, config_epoch = number(words[3]), number(words[7])
        if not (state.believes(epoch) and state.believes(config_epoch)):
            return
        sentinel = self._find(master, ip, port, runid)
        if sentinel is None:
            sentinel = self._meet(master, ip, port, runid)
        if epoch > state.current_epoch:
            state.new_epoch(epoch, master)
        if sentinel is not None:
            self._configuration(master, sentinel, text_of(words[5]), number(words[6]), config_epoch)
            sentinel.heard_hello = state.now

    def _find(self, master: Master, ip: str, port: int, runid: str) -> Instance | None:
        known = master.sentinels.get(runid)
        if known is None:
            return None
        at = known.address
        if at.port == port and ip in (at.ip, at.host):
            return known                        # as nearly always: no name is looked up
        try:
            said = self._state.address(ip, port, may_be_unknown=True)
        except CannotCreate:
            return None
        return known if at.is_at(said) else None

    def _meet(self, master: Master, ip: str, port: int, runid: str) -> Instance | None:
        """One that we do not know, or not at that address."""
        state = self._state
        moved = state.remove_sentinel(master, runid)
        if moved:
            state.event(NOTICE, "+sentinel-address-switch", master, f"ip {ip} port {port} for {runid}")
        else:
            other = state.sentinel_at(master, ip, port)
            if other is not None:               # with another id: that one is no more
                state.event(NOTICE, "+sentinel-invalid-addr", other, "")
                for one in state.masters.values():
                    state.remove_sentinel(one, other.runid)
        try:
            sentinel = state.add_sentinel(master, ip, port, runid)
        except CannotCreate:
            return None
        if moved:
            state.moved(sentinel)
        else:
            state.event(NOTICE, "+sentinel", sentinel, "")
        state.save()
        return sentinel

    def _configuration(self, master: Master, sentinel: Instance, host: str, port: int, epoch: int) -> None:
        """A later configuration than ours is the one that holds. One whose place we cannot find is not taken: it will
        be said again. Who is replacing the master gives that up, even if the old one leads again by now: it would have
        another master of the same epoch. (Redis goes on.)"""
        state = self._state
        if master.config_epoch >= epoch:
            return
        stays = master.promoted is None and port == master.address.port and state.is_host(master.address, host)
        if not stays and not (port and state.is_place(host, port)):
            return
        master.config_epoch = epoch
        if stays:
            return
        old = master.current_address
        state.event(WARNING, "+config-update-from", sentinel, "")
        state.event(WARNING, "+switch-master", master,
                    f"{master.name} {state.announced(old)} {old.port} {host} {port}", plain=True)
        state.switch(master, host, port)
        state.reconfigure_clients(master, "observer", old, master.address)
