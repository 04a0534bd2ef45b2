"""`python -m perf`: see perf.compare."""

import sys

from perf.compare import main

sys.exit(main())
