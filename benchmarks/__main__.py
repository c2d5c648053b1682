"""`python -m benchmarks`: every row there is so far."""

import sys

from benchmarks.throughput import main

sys.exit(main(sys.argv[1:]))
