"""`python -m perf.benchmark`: see perf.benchmark.command_line."""

import sys

from perf.benchmark.command_line import main

sys.exit(main())
