"""`python -m aoinspect` is the command line."""

import sys

from aoinspect.cli import main

sys.exit(main())
