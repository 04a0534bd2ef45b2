"""The program behind `./dev bench micro`: pyperf runs every loop in processes of its own and reports mean and spread.

    ./dev bench micro                             all of them, about four minutes
    ./dev bench micro --only table,quicklist      names that contain one of these words
    ./dev bench micro --fast -o now.json          fewer runs; keep the figures
    ./dev python -m pyperf compare_to before.json now.json

All options but --only are pyperf's own (`--help` lists them). Figures are seconds per operation.
"""

from typing import Any

import pyperf

from perf.micro.benchmarks import chosen


def pass_on(command: list[str], given: Any) -> None:
    """pyperf starts worker processes; they must choose the same ones."""
    if given.only:
        command += ["--only", given.only]


def main() -> None:
    """Run those that were asked for; pyperf prints and keeps."""
    runner = pyperf.Runner(add_cmdline_args=pass_on, program_args=("-m", "perf.micro"), processes=8)
    runner.argparser.description = __doc__
    runner.argparser.add_argument("--only", default="", help="names that contain one of these words")
    given = runner.parse_args()
    for micro in chosen(given.only):
        runner.bench_time_func(micro.name, micro.loops, *micro.arguments, inner_loops=micro.operations)


if __name__ == "__main__":
    main()
