"""The ordered map of stream IDs against a SortedDict, and its node count against a real server's radix tree."""

import random

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sortedcontainers import SortedDict

from server.structures.rax import RaxProbe
from tests.support.peer import Peer

MOST = 2**64 - 1
WORDS = st.one_of(st.integers(0, 9), st.sampled_from([255, 256, 2**32, 2**63 - 1, 2**63, MOST]), st.integers(0, MOST))
KEYS = st.tuples(WORDS, WORDS)


class RaxMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rax = RaxProbe()
        self.map: SortedDict = SortedDict()
        self.value = 0

    def put(self, key: tuple[int, int]) -> None:
        self.value += 1
        assert self.rax.insert(key, self.value) == self.map.get(key)
        self.map[key] = self.value

    @rule(key=KEYS)
    def insert(self, key: tuple[int, int]) -> None:
        self.put(key)

    @rule(start=st.integers(0, 300), count=st.integers(1, 300), step=st.sampled_from([1, -1, 7, 97]))
    def insert_many(self, start: int, count: int, step: int) -> None:
        for i in range(count):
            self.put(divmod((start + i * step) % 900, 4))

    @rule(key=KEYS)
    def remove_what_may_be_there(self, key: tuple[int, int]) -> None:
        assert self.rax.remove(key) == self.map.pop(key, None)

    @precondition(lambda self: self.map)
    @rule(where=st.floats(0, 1, exclude_max=True), count=st.integers(1, 150))
    def remove_some(self, where: float, count: int) -> None:
        first = int(where * len(self.map))
        for key in list(self.map)[first : first + count]:
            assert self.rax.remove(key) == self.map.pop(key)

    @rule(key=KEYS)
    def look(self, key: tuple[int, int]) -> None:
        keys = self.map.keys()
        left, right = self.map.bisect_left(key), self.map.bisect_right(key)
        for where, at in ((">=", left), (">", right), ("<=", right - 1), ("<", left - 1)):
            expected = (keys[at], self.map[keys[at]]) if 0 <= at < len(keys) else None
            assert self.rax.seek(key, where) == expected
        assert self.rax.find(key) == self.map.get(key)

    @rule()
    def walk(self) -> None:
        assert self.rax.walk() == list(self.map.items())
        assert self.rax.walk(backwards=True) == list(self.map.items())[::-1]

    @invariant()
    def sound(self) -> None:
        self.rax.check()
        assert len(self.rax) == len(self.map)


TestRax = RaxMachine.TestCase
TestRax.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_nodes_are_those_of_a_real_radix_tree(peer: Peer) -> None:
    """With one entry per node the stream's tree has the entries' IDs as its keys."""
    seed = random.randrange(10**6)
    print("seed", seed)
    rng = random.Random(seed)
    with peer.connect() as theirs:
        theirs.ok("CONFIG", "SET", "stream-node-max-entries", 1)
        for _ in range(15):
            theirs.ok("DEL", "s")
            rax = RaxProbe()
            last = (0, rng.choice([0, 250, 65530]))
            for _ in range(rng.choice([1, 2, 10, 300])):
                if rng.random() < 0.5:
                    last = (last[0], last[1] + rng.choice([1, 2, 300, 70000]))
                else:
                    last = (last[0] + rng.choice([1, 3, 1000, 10**9]), rng.choice([0, 0, 5, 10**10]))
                theirs.ok("XADD", "s", f"{last[0]}-{last[1]}", "f", "v")
                rax.insert(last, 1)
            info = theirs.ok("XINFO", "STREAM", "s")
            told = dict(zip(info[::2], info[1::2]))
            assert (len(rax), rax.nodes()) == (told[b"radix-tree-keys"], told[b"radix-tree-nodes"])
        theirs.ok("CONFIG", "SET", "stream-node-max-entries", 100)
