"""One episode: a server, some clients, rounds of turns, and the oracles after each round."""

import random
from pathlib import Path
from typing import Any

from tests.fuzz.storm.findings import BROKEN, Finding, History
from tests.fuzz.storm.grammar import Grammar
from tests.fuzz.storm.oracles import Oracles, told_of
from tests.fuzz.storm.players import GONE, Listener, Player
from tests.fuzz.storm.requests import LOAD
from tests.fuzz.storm.settings import Settings
from tests.support.resp import Connection
from tests.support.server import Server

ROUNDS = 3
TURNS = 25
FILL: list[tuple[Any, ...]] = [
    ("SET", "s1", "12"), ("SET", "s2", "hello"), ("SET", "b1", "\x0f" * 10), ("RPUSH", "l1", *range(30)),
    ("HSET", "h1", "f1", "1", "f2", "x" * 100), ("SADD", "e1", 1, 2, 3), ("SADD", "e2", "m1", "m2", "1"),
    ("ZADD", "z1", 1, "m1", 2.5, "m2", "inf", "m3"), ("GEOADD", "g1", 13.36, 38.11, "m1", 15.08, 37.5, "m2"),
    ("PFADD", "p1", *range(50)), ("XADD", "x1", "1-1", "f1", "v"), ("XGROUP", "CREATE", "x1", "g1", "0"),
    ("XADD", "x1", "2-0", "f1", "v", "f2", "w"), ("XREADGROUP", "GROUP", "g1", "c1", "STREAMS", "x1", ">"),
]  # fmt: skip
KEYS_FILLED = ("s1", "b1", "l1", "h1", "e1", "e2", "z1", "g1", "p1", "x1")


class Episode:
    """Number `number` of a seed. `play` raises Finding."""

    def __init__(self, seed: int, number: int, folder: Path) -> None:
        self.chance = random.Random(f"storm {seed} {number}")
        self.history = History()
        # Memory in which SETRANGE and the like may grow a value is no subject here.
        self.server = Server(
            folder, start=False, appendonly=True, appendfsync="always", proto_max_bulk_len="2mb", rdbcompression=True,
            io_threads=self.chance.choice((1, 4)), databases=10, auto_aof_rewrite_percentage=0,
            io_threads_always_active=True,
        )  # fmt: skip
        self.oracles = Oracles(self.server, self.history)

    @property
    def digests(self) -> int:
        return self.oracles.digests

    def play(self, rounds: int = ROUNDS, turns: int = TURNS) -> None:
        with self.server:
            try:
                self.server.start()
                self._play(rounds, turns)
            except BROKEN as error:
                raise told_of(error, self.server) from error

    def _play(self, rounds: int, turns: int) -> None:
        control = self.server.connect(timeout=30)
        grammar = Grammar(control.ok("COMMAND", "DOCS"), nasty=self.chance.choice((0.01, 0.05, 0.15)))
        control.ok("CLIENT", "NO-EVICT", "ON")
        settings = Settings(control)
        for number in range(rounds):
            control.pipeline([*FILL, LOAD])
            dumps = control.pipeline([("DUMP", key) for key in KEYS_FILLED])
            grammar.payloads += [dump for dump in dumps if isinstance(dump, bytes)]
            crowd = Crowd(self, control, settings, grammar)
            for _ in range(turns):
                crowd.turn()
            crowd.leave()
            for words in settings.calm():
                self.history.add("control", words)
                control.ok(*words)
            self.oracles.no_mistakes(control)
            self.oracles.data_survives(control)
            self.oracles.no_mistakes(control)
            if number == rounds - 1:
                control = self.oracles.survives_kill(control)
                self.oracles.no_mistakes(control)


class Crowd:
    """The clients of a round."""

    def __init__(self, episode: Episode, control: Connection, settings: Settings, grammar: Grammar) -> None:
        self.chance = episode.chance
        self.history = episode.history
        self.control = control
        self.settings = settings
        self.grammar = grammar
        about = (episode.server, control, episode.history)
        self.players = [Player(f"client{number}", *about) for number in range(self.chance.choice((1, 3, 6)))]
        self.players += [Listener(f"listener{number}", *about) for number in range(2)]
        self.players += [Listener("monitor", *about)] if self.chance.random() < 0.3 else []

    def turn(self) -> None:
        """Each sends before the first reads; meanwhile something may change, and somebody be killed."""
        speaking = [player for player in self.players if self._try(player, self._send)]
        if self.chance.random() < 0.3:
            words = self.settings.change(self.chance)
            self.history.add("control", words)
            self.control(*words)
        if self.chance.random() < 0.2:
            victim = self.chance.choice(self.players)
            victim.killed = True
            self.history.add("control", [b"CLIENT", b"KILL", victim.name.encode()])
            self.control("CLIENT", "KILL", "ID", victim.id)
        for player in speaking:
            self._try(player, lambda one: one.read())

    def _send(self, player: Player) -> None:
        if player.connection is None or self.chance.random() < 0.05:
            player.connect(self.chance.choice((2, 3)))
        if self.chance.random() < 0.04 and not isinstance(player, Listener):
            player.vanish(self.chance, self.grammar)
            player.connect(self.chance.choice((2, 3)))
        player.send(self.chance, self.grammar)

    def _try(self, player: Player, deed: Any) -> bool:
        """Whether it is still there. Only who was killed, or meets a limit, may lose its connection."""
        try:
            deed(player)
        except GONE as error:
            if not (player.killed or self.settings.closing):
                raise Finding("closed", f"{player.name}: {error}") from error
            player.leave()
            return False
        return True

    def leave(self) -> None:
        for player in self.players:
            player.leave()
