"""`python -m perf`: see perf.compare."""

import sys

from perf.compare import main
from perf.server_under_test import exit_on_sigterm

exit_on_sigterm()
sys.exit(main())
