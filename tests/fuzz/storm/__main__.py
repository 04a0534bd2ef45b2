"""./dev torture storm: see the package."""

import argparse
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.storm.episode import Episode
from tests.fuzz.storm.findings import Finding, write_down
from tests.fuzz.storm.partner import Duel
from tests.support.guard import guarded

SHOWN = 12  # requests, on the terminal; the file has all that are remembered


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev torture storm", description="Play storms on this build.")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long (2); without effect with --episode")
    parser.add_argument("--episodes", type=int, default=None, help="no more than so many, however fast the machine is")
    parser.add_argument("--seed", type=int, default=None, help="what is played; a random one without")
    parser.add_argument("--episode", type=int, default=None, help="only this episode of the seed")
    parser.add_argument("--partner", action="store_true", help="compare with a redis-server (REMUS_PEER, or of PATH)")
    parser.add_argument("--findings", type=Path, default=Path("storm-findings"), help="folder for what is found")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """The number of findings, at most 1."""
    chosen = options(arguments)
    seed = secrets.randbits(32) if chosen.seed is None else chosen.seed
    make: Callable[[int, int, Path], Episode | Duel] = Duel if chosen.partner else Episode
    print(f"seed {seed}", flush=True)
    found: Counter[str] = Counter()
    commands = digests = episodes = 0
    number = chosen.episode or 0
    most = 1 if chosen.episode is not None else chosen.episodes
    with tempfile.TemporaryDirectory(prefix="storm-") as name, guarded(Path(name)):
        end = time.monotonic() + chosen.minutes * 60
        while time.monotonic() < end and episodes != most:
            episode = make(seed, number, Path(name) / str(number))
            try:
                episode.play()
            except Finding as finding:
                found[finding.signature] += 1
                if found[finding.signature] == 1:
                    tell(chosen.findings, f"storm-{seed}-{number}", finding, episode)
            commands += episode.history.count
            digests += episode.digests
            episodes += 1
            number += 1
    print(f"seed {seed}: {episodes} episodes, {commands} commands, {digests} keyspaces compared, "
          f"{sum(found.values())} findings of {len(found)} kinds")  # fmt: skip
    for signature, times in found.most_common():
        print(f"  {times}  {signature!r}")
    return 1 if found else 0


def tell(folder: Path, name: str, finding: Finding, episode: Episode | Duel) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = write_down(folder, name, finding, episode.history, episode.server.log()[-20_000:])
    print(f"\n{name}: {str(finding)[:1500]}")
    last = "\n  ".join(episode.history.lines(finding.about)[-SHOWN:])
    print(f"after:\n  {last[:3000]}\nall of it: {file}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
